import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { hasCode, LifeboatError } from '../../src/core/errors.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import { pieceKey } from '../../src/journal/layout.ts';
import { listPieces } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import { durableEnd, fillFrom, resumePosition } from '../../src/journal/resume.ts';
import { savePiece } from '../../src/journal/save.ts';
import { createSliceWriter, type SliceWriterOptions } from '../../src/journal/writer.ts';
import type { Storage } from '../../src/storage/storage.ts';
import {
  behind,
  coverageIn,
  logOf,
  type MemoryPlace,
  memoryPlace,
  storedLog,
  stream,
  unitBytes,
  unitOf,
} from './places.ts';

const log = logOf(5 * unitBytes + 700);

function options(more: Partial<SliceWriterOptions> & Pick<SliceWriterOptions, 'places'>): SliceWriterOptions {
  return {
    stream,
    timeline: 1,
    start: 0n,
    unitBytes,
    maxLagMs: 60_000,
    retryFirstMs: 1,
    retryMostMs: 4,
    ...more,
  };
}

/** A storage whose saves can be made to fail or to wait. */
function troubled(inner: Storage) {
  const state = { failing: false, hold: null as Promise<void> | null, saves: 0 };
  const storage: Storage = {
    ...inner,
    async save(key, parts) {
      await state.hold;
      state.saves++;
      if (state.failing) throw new LifeboatError('storage-failed', 'the disk is out of reach');
      await inner.save(key, parts);
    },
  };
  return { state, storage };
}

describe('the slice writer', () => {
  test('stores what arrives before the lag as whole units, once, and the rest when it is flushed', async () => {
    const place = memoryPlace();
    const writer = createSliceWriter(options({ places: [place] }));
    for (let at = 0; at < log.length; at += 1000)
      await writer.append(BigInt(at), log.subarray(at, at + 1000));
    assert.equal(writer.position(), BigInt(log.length));
    await writer.flush();
    assert.equal(writer.durable(), BigInt(log.length));
    const pieces = await listPieces(place, stream);
    assert.deepEqual(
      pieces.map(({ from, to }) => [from, to]),
      [...Array.from({ length: 5 }, () => [0, unitBytes]), [0, 700]],
    );
    assert.ok((await storedLog(place)).equals(log));
    await writer.close();
    await assert.rejects(writer.append(writer.position(), log), (error) => hasCode(error, 'cancelled'));
  });

  test('sends a slice off when its first byte is as old as the lag allows', async () => {
    const place = memoryPlace();
    const events: JournalEvent[] = [];
    const writer = createSliceWriter(
      options({ places: [place], maxLagMs: 20, sink: (event) => events.push(event) }),
    );
    await writer.append(0n, log.subarray(0, 10), { sentMs: 1000 });
    await writer.append(10n, log.subarray(10, 30), { sentMs: 2000.5 });
    assert.equal(writer.durable(), 0n);
    while (writer.durable() === 0n) await sleep(5);
    assert.equal(writer.durable(), 30n);
    const [piece] = await listPieces(place, stream);
    assert.equal((await loadPiece(place, stream, piece!)).facts.sentMs, 2000.5);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['piece-saved', 'durable'],
    );
    const lagMs = events[0]!.kind === 'piece-saved' ? events[0]!.lagMs : 0;
    assert.ok(lagMs >= 15, `${lagMs}`);
    await writer.abort();
  });

  test('cuts slices of at most the size asked for, and writes what the source knows of them', async () => {
    const place = memoryPlace();
    const writer = createSliceWriter(
      options({
        places: [place],
        sliceBytesMax: 1500,
        describe: (from, to) => ({ firstCommitMs: Number(from), lastCommitMs: Number(to) }),
      }),
    );
    await writer.append(0n, log.subarray(0, unitBytes + 100));
    await writer.close();
    const facts = await Promise.all(
      (await listPieces(place, stream)).map(async (piece) => (await loadPiece(place, stream, piece)).facts),
    );
    assert.deepEqual(
      facts.map(({ firstCommitMs, lastCommitMs }) => [firstCommitMs, lastCommitMs]),
      [
        [0, 1500],
        [1500, 3000],
        [3000, 4096],
        [4096, 4196],
      ],
    );
  });

  test('skips what it has, and refuses a hole', async () => {
    const place = memoryPlace();
    const writer = createSliceWriter(options({ places: [place], start: 500n }));
    await writer.append(0n, log.subarray(0, 400));
    await writer.append(0n, log.subarray(0, 600));
    assert.equal(writer.position(), 600n);
    await assert.rejects(writer.append(700n, log.subarray(700, 800)), (error) => hasCode(error, 'internal'));
    await writer.close();
    assert.deepEqual(await coverageIn(place), [{ timeline: 1, start: 500n, end: 600n }]);
  });

  test('counts as durable only what all places have, and alarms while one refuses', async () => {
    const first = memoryPlace('first');
    const second = memoryPlace('second');
    const { state, storage } = troubled(second.storage);
    const events: JournalEvent[] = [];
    const writer = createSliceWriter(
      options({ places: [first, behind(second, storage)], sink: (event) => events.push(event) }),
    );
    state.failing = true;
    await writer.append(0n, log.subarray(0, 2 * unitBytes));
    while (events.filter(({ kind }) => kind === 'place-failing').length < 3) await sleep(2);
    assert.equal(writer.durable(), 0n);
    assert.deepEqual(
      writer.durableIn().map(({ durable, failing }) => [durable, failing]),
      [
        [8192n, false],
        [0n, true],
      ],
    );
    state.failing = false;
    await writer.flush();
    assert.equal(writer.durable(), 8192n);
    const failing = events.flatMap((event) => (event.kind === 'place-failing' ? [event] : []));
    assert.deepEqual(
      failing.slice(0, 3).map(({ attempts }) => attempts),
      [1, 2, 3],
    );
    assert.ok(failing.every(({ place, waitingBytes }) => place === 'second' && waitingBytes === 8192));
    assert.equal(events.filter(({ kind }) => kind === 'place-recovered').length, 1);
    await writer.close();
    assert.ok((await storedLog(second)).equals(log.subarray(0, 8192)));
  });

  test('goes on where one place is enough, and brings the other up from it later', async () => {
    const first = memoryPlace('first');
    const second = memoryPlace('second');
    const { state, storage } = troubled(second.storage);
    const events: JournalEvent[] = [];
    const writer = createSliceWriter(
      options({
        places: [first, behind(second, storage)],
        required: 1,
        bufferedBytesMax: unitBytes,
        sink: (event) => events.push(event),
      }),
    );
    state.failing = true;
    for (let at = 0; at < log.length; at += 512) await writer.append(BigInt(at), log.subarray(at, at + 512));
    await writer.flush();
    assert.equal(writer.durable(), BigInt(log.length));
    assert.ok(events.some((event) => event.kind === 'place-behind' && event.place === 'second'));
    assert.deepEqual(await coverageIn(second), []);
    state.failing = false;
    while (writer.durableIn()[1]!.durable < BigInt(log.length)) await sleep(2);
    await writer.close();
    assert.ok((await storedLog(second)).equals(log));
  });

  test('takes no more than its memory allows until places have caught up', async () => {
    const place = memoryPlace();
    const { state, storage } = troubled(place.storage);
    const held = Promise.withResolvers<void>();
    state.hold = held.promise;
    const writer = createSliceWriter(
      options({ places: [behind(place, storage)], bufferedBytesMax: 2 * unitBytes }),
    );
    let taken = 0;
    const feeding = (async () => {
      for (let at = 0; at < log.length; at += 256) {
        await writer.append(BigInt(at), log.subarray(at, at + 256));
        taken = at + 256;
      }
    })();
    await sleep(20);
    assert.equal(taken, 2 * unitBytes);
    held.resolve();
    await feeding;
    await writer.close();
    assert.ok((await storedLog(place)).equals(log));
  });

  test('stops where a place holds other bytes', async () => {
    const place = memoryPlace();
    const other = Buffer.from(log.subarray(0, 100));
    other[99]! ^= 1;
    await savePiece(place, stream, { unit: unitOf(0n), from: 0, unitBytes }, other);
    const writer = createSliceWriter(options({ places: [place] }));
    await writer.append(0n, log.subarray(0, 300));
    await assert.rejects(writer.flush(), (error) => hasCode(error, 'journal-conflict'));
    await assert.rejects(writer.append(300n, log), (error) => hasCode(error, 'journal-conflict'));
    assert.equal(writer.durable(), 0n);
    await writer.abort();
  });

  test('ended at once, it tells whoever waits', async () => {
    const place = memoryPlace();
    const { state, storage } = troubled(place.storage);
    state.failing = true;
    const writer = createSliceWriter(options({ places: [behind(place, storage)] }));
    await writer.append(0n, log.subarray(0, 10));
    const waiting = assert.rejects(writer.close(), (error) => hasCode(error, 'cancelled'));
    await sleep(10);
    await writer.abort();
    await waiting;
  });
});

describe('a log written in random parts by writers that die', () => {
  const step = fc.record({
    bytes: fc.integer({ min: 1, max: 6000 }),
    next: fc.constantFrom('go on', 'go on', 'flush', 'die', 'wait'),
  });

  test('is stored as it was, without a gap, in every place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 20 }),
        fc.integer({ min: 300, max: 5000 }),
        async (steps, sliceBytesMax) => {
          const whole = logOf(20 * 6000);
          const places = [memoryPlace('first'), memoryPlace('second')];
          let alive = { now: true };
          const start = async () => {
            const mine = { now: true };
            alive = mine;
            const gated = places.map((place) =>
              behind(place, {
                ...place.storage,
                async save(key, parts) {
                  await sleep(0);
                  // What a killed process had not begun to store never is.
                  if (!mine.now) return new Promise<void>(() => undefined);
                  await place.storage.save(key, parts);
                },
              }),
            );
            const from = await resumePosition(places, stream, 1, 0n, { unitBytes });
            return createSliceWriter(options({ places: gated, start: from!, sliceBytesMax, maxLagMs: 2 }));
          };
          let writer = await start();
          let known = 0n;
          for (const { bytes, next } of steps) {
            const at = Number(writer.position());
            await writer.append(BigInt(at), whole.subarray(at, at + bytes));
            if (next === 'flush') await writer.flush();
            if (next === 'wait') await sleep(3);
            assert.ok(writer.durable() >= known);
            known = writer.durable();
            if (next !== 'die') continue;
            alive.now = false;
            void writer.abort();
            await sleep(1);
            writer = await start();
            assert.ok(writer.position() >= known, 'what was durable stays');
            known = writer.durable();
          }
          await writer.close();
          const end = Number(writer.position());
          for (const place of places) {
            const stored = await storedLog(place);
            assert.ok(stored.equals(whole.subarray(0, end)));
            const ranges = await coverageIn(place);
            assert.deepEqual(ranges, end === 0 ? [] : [{ timeline: 1, start: 0n, end: BigInt(end) }]);
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('a place that is behind', () => {
  const save = (place: MemoryPlace, from: number, to: number) =>
    savePiece(
      place,
      stream,
      { unit: unitOf(BigInt(from)), from: from % unitBytes, unitBytes },
      log.subarray(from, to),
    );

  test('is filled from another one, and all go on from the same position', async () => {
    const [first, second] = [memoryPlace('first'), memoryPlace('second')];
    for (const [from, to] of [
      [0, 4096],
      [4096, 6000],
      [6000, 8192],
      [8192, 9000],
    ] as const)
      await save(first, from, to);
    await save(second, 0, 2000);
    await save(second, 6000, 8192);
    assert.equal(await resumePosition([second, first], stream, 1, 0n, { unitBytes }), 9000n);
    assert.ok((await storedLog(second)).equals(log.subarray(0, 9000)));
    assert.deepEqual(await fillFrom(second, first, stream, { unitBytes }), { pieces: 0, bytes: 0 });
  });

  test('is continued where the other one cannot help', async () => {
    const [first, second] = [memoryPlace('first'), memoryPlace('second')];
    await save(first, 0, 4096);
    const { piece } = await save(first, 4096, 8192);
    await save(second, 0, 4096);
    first.storage.objects.get(pieceKey(stream, piece))![50]! ^= 1;
    const told: string[] = [];
    const sink = ({ kind }: JournalEvent) => told.push(kind);
    assert.equal(await resumePosition([first, second], stream, 1, 0n, { unitBytes, sink }), 4096n);
    assert.deepEqual(told, ['piece-unusable']);
  });

  test('is continued behind a gap only where the server has nothing from before it', async () => {
    const place = memoryPlace();
    await save(place, 0, 4096);
    await save(place, 8192, 9000);
    assert.equal(await durableEnd(place, stream, 1, unitBytes, null), 9000n);
    assert.equal(await durableEnd(place, stream, 1, unitBytes, 8192n), 9000n);
    assert.equal(await durableEnd(place, stream, 1, unitBytes, 3000n), 4096n);
    assert.equal(await durableEnd(place, stream, 1, unitBytes, 5000n), 5000n);
    assert.equal(await durableEnd(memoryPlace(), stream, 1, unitBytes, null), null);
    assert.equal(await resumePosition([memoryPlace()], stream, 1, null, { unitBytes }), null);
  });
});
