import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../src/core/errors.ts';
import { coverageOf, gapsOf } from '../../src/journal/coverage.ts';
import { nameHash } from '../../src/journal/frame.ts';
import { pieceKey } from '../../src/journal/layout.ts';
import { listJournal, listPieces, listSources, listStreams } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import { loadUnit } from '../../src/journal/load-unit.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { Piece } from '../../src/model/journal.ts';
import { behind, logOf, memoryPlace, stream, unitBytes, unitOf } from './places.ts';

const unit = '000000010000000000000003';
const log = logOf(unitBytes);
const facts = { unit, from: 0, unitBytes };
const part = (from: number, to: number) => [{ unit, from, unitBytes }, log.subarray(from, to)] as const;

describe('a piece', () => {
  test('lies where the format says, and comes back with its facts', async () => {
    const place = memoryPlace();
    const times = { firstCommitMs: 1_790_000_000_000.25, lastCommitMs: 1_790_000_000_900, sentMs: null };
    const { piece, status } = await savePiece(place, stream, { ...facts, ...times }, log);
    assert.equal(status, 'saved');
    const key = `lifeboat/journal/app-db/7301234567890123456/0000000100000000/${unit}-00000000-00001000.${piece.hash}`;
    assert.deepEqual([...place.storage.objects.keys()], [key]);
    const loaded = await loadPiece(place, stream, piece);
    assert.ok(loaded.bytes.equals(log));
    const { storedAt, ...rest } = loaded.facts;
    assert.match(storedAt, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.deepEqual(rest, { version: 1, ...stream, ...facts, ...times, to: unitBytes });
  });

  test('that is saved again is not written again, whole or in parts', async () => {
    const place = memoryPlace();
    await savePiece(place, stream, facts, log);
    for (const [from, to] of [
      [0, unitBytes],
      [0, 10],
      [500, 4096],
    ] as const)
      assert.equal((await savePiece(place, stream, ...part(from, to))).status, 'already there');
    assert.equal(place.storage.objects.size, 1);
  });

  test('with other content than what is stored for any byte of it is refused and changes nothing', async () => {
    const place = memoryPlace();
    await savePiece(place, stream, ...part(1000, 2000));
    const other = Buffer.from(log);
    other[1999]! ^= 1;
    for (const [from, to] of [
      [0, unitBytes],
      [1999, 2000],
      [1500, 3000],
    ] as const)
      await assert.rejects(
        savePiece(place, stream, { unit, from, unitBytes }, other.subarray(from, to)),
        (error) => hasCode(error, 'journal-conflict') && error.message.includes(unit),
      );
    assert.equal(place.storage.objects.size, 1);
    assert.equal(
      (await savePiece(place, stream, { unit, from: 2000, unitBytes }, other.subarray(2000))).status,
      'saved',
    );
  });

  test('may overlap others that hold the same bytes', async () => {
    const place = memoryPlace();
    for (const [from, to] of [
      [0, 2000],
      [1000, 3000],
      [2500, 4096],
    ] as const)
      assert.equal((await savePiece(place, stream, ...part(from, to))).status, 'saved');
    const loaded = await loadUnit(place, stream, unit, unitBytes, null);
    assert.equal(loaded.end, unitBytes);
    assert.ok(loaded.bytes.equals(log));
  });

  test('is stored again where the one that is there is damaged', async () => {
    const place = memoryPlace();
    const first = await savePiece(place, stream, facts, log);
    place.storage.objects.get(pieceKey(stream, first.piece))![40]! ^= 4;
    assert.equal((await savePiece(place, stream, facts, log)).status, 'saved');
    const loaded = await loadUnit(place, stream, unit, unitBytes, null);
    assert.ok(loaded.bytes.equals(log));
  });

  test('cannot be taken for another: not under another name, stream or key', async () => {
    const place = memoryPlace();
    const { piece } = await savePiece(place, stream, ...part(0, 1000));
    const stored = place.storage.objects.get(pieceKey(stream, piece))!;
    const other = { source: 'app-db', stream: '42' };
    const damaged = (error: unknown) => hasCode(error, 'journal-damaged');
    for (const renamed of [
      { ...piece, from: 1, to: 1001 },
      { ...piece, to: 999 },
      { ...piece, unit: '000000010000000000000004' },
      { ...piece, unit: '000000020000000000000003' },
    ]) {
      place.storage.objects.set(pieceKey(stream, renamed), stored);
      await assert.rejects(loadPiece(place, stream, renamed), damaged);
    }
    place.storage.objects.set(pieceKey(other, piece), stored);
    await assert.rejects(loadPiece(place, other, piece), damaged);
    const stranger = memoryPlace();
    stranger.storage.objects.set(pieceKey(stream, piece), stored);
    await assert.rejects(loadPiece(stranger, stream, piece), damaged);
  });

  test('of a source whose name cannot be part of a key is refused', async () => {
    for (const source of ['', '..', 'a/b', 'näme', ' x'])
      await assert.rejects(savePiece(memoryPlace(), { source, stream: '1' }, facts, log), (error) =>
        hasCode(error, 'usage'),
      );
  });

  test('with any bit flipped, or cut short, is found damaged', async () => {
    const place = memoryPlace();
    const { piece } = await savePiece(place, stream, ...part(100, 900));
    const key = pieceKey(stream, piece);
    const sound = place.storage.objects.get(key)!;
    const places = fc.nat(sound.length * 8 - 1);
    await fc.assert(
      fc.asyncProperty(places, fc.boolean(), fc.boolean(), async (bit, cut, renamed) => {
        const flipped = Buffer.from(sound);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const bytes = cut ? sound.subarray(0, bit >> 3) : flipped;
        // With a name of its own hash only the tag can tell.
        const damaged = renamed ? { ...piece, hash: nameHash(bytes) } : piece;
        place.storage.objects.set(pieceKey(stream, damaged), bytes);
        await assert.rejects(
          loadPiece(place, stream, damaged),
          (error) => hasCode(error, 'journal-damaged') && error.message.includes(pieceKey(stream, damaged)),
        );
      }),
      { numRuns: 400 },
    );
  });
});

describe('a unit', () => {
  test('is put together from any pieces that cover it, and tells how far it goes', async () => {
    const cut = fc.tuple(fc.nat(unitBytes - 1), fc.integer({ min: 1, max: 1500 }));
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 12 }), async (cuts) => {
        const place = memoryPlace();
        const known = new Uint8Array(unitBytes);
        for (const [from, length] of cuts) {
          const to = Math.min(unitBytes, from + length);
          await savePiece(place, stream, ...part(from, to));
          known.fill(1, from, to);
        }
        const loaded = await loadUnit(place, stream, unit, unitBytes, null);
        const end = known.indexOf(0);
        assert.equal(loaded.end, end < 0 ? unitBytes : end);
        const covered = new Uint8Array(unitBytes);
        for (const { from, to } of loaded.covered) covered.fill(1, from, to);
        assert.deepEqual(covered, known);
        for (let at = 0; at < unitBytes; at++)
          if (loaded.bytes[at] !== (known[at] ? log[at] : 0)) assert.fail();
        const start = 3n * BigInt(unitBytes);
        const ranges = coverageOf(await listPieces(place, stream), unitBytes);
        assert.deepEqual(
          ranges,
          loaded.covered.map(({ from, to }) => ({
            timeline: 1,
            start: start + BigInt(from),
            end: start + BigInt(to),
          })),
        );
        assert.equal(gapsOf(ranges).length, Math.max(0, ranges.length - 1));
      }),
      { numRuns: 60 },
    );
  });

  test('takes another piece where one is damaged, and says which', async () => {
    const place = memoryPlace();
    await savePiece(place, stream, ...part(0, 2000));
    await savePiece(place, stream, ...part(2000, 4096));
    const { piece } = await savePiece(place, stream, facts, log);
    const key = pieceKey(stream, piece);
    place.storage.objects.get(key)![100]! ^= 1;
    const loaded = await loadUnit(place, stream, unit, unitBytes, null);
    assert.ok(loaded.bytes.equals(log));
    assert.equal(loaded.end, unitBytes);
    assert.deepEqual(
      loaded.problems.map(({ code }) => code),
      ['journal-damaged'],
    );
    assert.ok(loaded.problems[0]!.message.includes(key));
  });

  test('reads the whole piece alone where there is one', async () => {
    const place = memoryPlace();
    await savePiece(place, stream, ...part(0, 2000));
    await savePiece(place, stream, facts, log);
    const loaded = await loadUnit(place, stream, unit, unitBytes, null);
    assert.deepEqual(
      loaded.facts.map(({ to }) => to),
      [unitBytes],
    );
  });

  test('whose pieces disagree is refused', async () => {
    const place = memoryPlace();
    const other = Buffer.from(log);
    other[1500]! ^= 1;
    await savePiece(place, stream, ...part(0, 2000), { existing: [] });
    await savePiece(place, stream, { unit, from: 1000, unitBytes }, other.subarray(1000, 3000), {
      existing: [],
    });
    await assert.rejects(loadUnit(place, stream, unit, unitBytes, null), (error) =>
      hasCode(error, 'journal-conflict'),
    );
  });

  test('is listed again where pieces vanish while it is read', async () => {
    const place = memoryPlace();
    const parts: Piece[] = [];
    for (const from of [0, 1024, 2048, 3072])
      parts.push((await savePiece(place, stream, ...part(from, from + 1024))).piece);
    let loads = 0;
    const compacting = behind(place, {
      ...place.storage,
      async load(key, range) {
        if (++loads === 3) {
          await savePiece(place, stream, facts, log);
          for (const piece of parts) await place.storage.remove(pieceKey(stream, piece));
        }
        return place.storage.load(key, range);
      },
    });
    const loaded = await loadUnit(compacting, stream, unit, unitBytes, null);
    assert.equal(loaded.end, unitBytes);
    assert.ok(loaded.bytes.equals(log));
    assert.deepEqual(loaded.problems, []);
  });
});

describe('listing', () => {
  const far = (folder: bigint) => (folder << 32n) + 8192n;

  test('reads only the folders of the asked part of a timeline', async () => {
    const place = memoryPlace();
    for (const folder of [0n, 1n, 2n, 3n])
      for (const timeline of [1, 2])
        await savePiece(place, stream, { unit: unitOf(far(folder), timeline), from: 0, unitBytes }, log);
    const asked: string[] = [];
    const watched = behind(place, {
      ...place.storage,
      list: (prefix) => {
        asked.push(prefix.split('/').at(-2)!);
        return place.storage.list(prefix);
      },
    });
    const found = await listPieces(watched, stream, { timeline: 1, from: far(1n), to: far(2n) });
    assert.deepEqual(asked, ['0000000100000001', '0000000100000002']);
    assert.deepEqual(
      found.map(({ unit }) => unit),
      [unitOf(far(1n)), unitOf(far(2n))],
    );
    assert.equal((await listPieces(watched, stream, { from: far(2n) })).length, 4);
    assert.equal((await listPieces(watched, stream, { timeline: 2, to: far(0n) })).length, 1);
    assert.equal((await listPieces(watched, stream)).length, 8);
  });

  test('names sources and streams, and passes over what is no piece', async () => {
    const place = memoryPlace();
    await savePiece(place, stream, facts, log);
    await savePiece(place, { source: 'app-db', stream: '99' }, facts, log);
    await savePiece(place, { source: 'other', stream: '1' }, facts, log);
    await place.storage.save('lifeboat/journal/app-db/99/0000000100000000/note.txt', [Buffer.from('x')]);
    assert.deepEqual(await listSources(place), ['app-db', 'other']);
    assert.deepEqual(await listStreams(place, 'app-db'), [stream, { source: 'app-db', stream: '99' }]);
    assert.deepEqual(
      (await listJournal(place, 'app-db')).map(({ pieces }) => pieces.length),
      [1, 1],
    );
    assert.deepEqual(await listStreams(place, 'nobody'), []);
  });
});
