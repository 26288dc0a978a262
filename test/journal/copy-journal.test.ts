import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode, LifeboatError } from '../../src/core/errors.ts';
import { copyJournal, type JournalCopyReport } from '../../src/engine/copy/copy-journal.ts';
import { loadHeartbeat, saveHeartbeat } from '../../src/journal/heartbeat.ts';
import { loadHistory, saveHistory } from '../../src/journal/history.ts';
import { historyPrefix, pieceKey } from '../../src/journal/layout.ts';
import { listPieces } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import { savePiece } from '../../src/journal/save.ts';
import { withAppendOnly } from '../../src/storage/layers/append-only.ts';
import {
  behind,
  logOf,
  type MemoryPlace,
  memoryPlace,
  storedLog,
  stream,
  unitBytes,
  unitOf,
} from './places.ts';

const log = logOf(4 * unitBytes, 3);

/** Stores parts of the log, cut at these positions. */
async function store(place: MemoryPlace, cuts: readonly number[]): Promise<void> {
  for (const [at, start] of cuts.slice(0, -1).entries()) {
    const facts = {
      unit: unitOf(BigInt(start)),
      from: start % unitBytes,
      unitBytes,
      lastCommitMs: start + 0.5,
      sentMs: start,
      storedAt: '2026-01-02T03:04:05.000Z',
    };
    await savePiece(place, stream, facts, log.subarray(start, cuts[at + 1]!));
  }
}

const sent = ({ outcomes }: JournalCopyReport): number[] => outcomes.map(({ pieces }) => pieces);
const cuts = [0, 1000, unitBytes, unitBytes + 5, 2 * unitBytes - 1, 2 * unitBytes, 2 * unitBytes + 100];

async function origin(): Promise<MemoryPlace> {
  const place = memoryPlace('local');
  await store(place, cuts);
  await saveHistory(place, stream, 2, Buffer.from('1\t0/1000\tbefore\n'));
  return place;
}

describe('a copied journal', () => {
  test('is the same log with the same facts, sealed for each target by its own key', async () => {
    const from = await origin();
    const targets = [memoryPlace('offsite'), memoryPlace('usb')];
    const report = await copyJournal(
      from,
      targets.map((place) => ({ place })),
      stream.source,
    );
    assert.deepEqual(sent(report), [6, 6]);
    assert.deepEqual(report.problems, []);
    for (const target of targets) {
      assert.deepEqual(await storedLog(target), log.subarray(0, 2 * unitBytes + 100));
      assert.equal((await loadHistory(target, stream, 2))?.toString(), '1\t0/1000\tbefore\n');
      const [first] = await listPieces(target, stream);
      const { facts } = await loadPiece(target, stream, first!);
      const [own] = await listPieces(from, stream);
      assert.deepEqual(facts, (await loadPiece(from, stream, own!)).facts);
      const key = pieceKey(stream, first!);
      await assert.rejects(from.envelope.open(target.storage.objects.get(key)!, key), {
        code: 'journal-damaged',
      });
    }
  });

  test('is not sent a second time, also after the source was compacted', async () => {
    const from = await origin();
    const target = memoryPlace('offsite');
    await copyJournal(from, [{ place: target }], stream.source);
    const before = [...target.storage.objects.keys()].sort();
    assert.deepEqual(sent(await copyJournal(from, [{ place: target }], stream.source)), [0]);
    await store(from, [0, unitBytes, 2 * unitBytes]);
    assert.deepEqual(sent(await copyJournal(from, [{ place: target }], stream.source)), [0]);
    assert.deepEqual([...target.storage.objects.keys()].sort(), before);
  });

  test('goes on where it ended, and puts a unit together once all of it is there', async () => {
    const from = await origin();
    const target = memoryPlace('offsite');
    await copyJournal(from, [{ place: target }], stream.source);
    await store(from, [2 * unitBytes + 100, 3 * unitBytes, 3 * unitBytes + 7]);
    assert.deepEqual(sent(await copyJournal(from, [{ place: target }], stream.source)), [2]);
    assert.deepEqual(await storedLog(target), log.subarray(0, 3 * unitBytes + 7));
    const third = (await listPieces(target, stream)).filter(
      ({ unit }) => unit === unitOf(BigInt(2 * unitBytes)),
    );
    assert.deepEqual(
      third.map(({ from: start, to }) => [start, to]),
      [[0, unitBytes]],
    );
  });

  test('keeps its parts where nothing may be deleted', async () => {
    const from = memoryPlace();
    await store(from, [0, 1000]);
    const bare = memoryPlace('offsite');
    const target = { ...bare, storage: withAppendOnly(bare.storage) };
    await copyJournal(from, [{ place: target }], stream.source);
    await store(from, [1000, unitBytes]);
    const { outcomes } = await copyJournal(from, [{ place: target }], stream.source);
    assert.equal(outcomes[0]?.failure, null);
    assert.deepEqual(await storedLog(target), log.subarray(0, unitBytes));
  });

  test('lacks what is damaged and held by no other piece, and says so; all else is there', async () => {
    const from = await origin();
    const pieces = await listPieces(from, stream);
    const damaged = pieceKey(stream, pieces[1]!);
    from.storage.objects.set(damaged, Buffer.alloc(pieces[1]!.size));
    const [history] = await from.storage.list(historyPrefix(stream));
    from.storage.objects.set(history!.key, Buffer.alloc(9));
    const target = memoryPlace('offsite');
    const report = await copyJournal(from, [{ place: target }], stream.source);
    assert.deepEqual(sent(report), [5]);
    assert.deepEqual(
      report.problems.map(({ message }) => message.split(' ')[0]),
      [damaged, history!.key],
    );
    await store(from, [0, unitBytes]);
    const again = await copyJournal(from, [{ place: target }], stream.source);
    assert.equal(again.problems.length, 1, 'another piece stands in for the log');
    assert.deepEqual(await storedLog(target), log.subarray(0, 2 * unitBytes + 100));
  });

  test('does not wait for a target that fails', async () => {
    const from = await origin();
    const broken = memoryPlace('usb');
    const full = new LifeboatError('storage-full', 'there is no room');
    const failing = behind(broken, { ...broken.storage, save: () => Promise.reject(full) });
    const target = memoryPlace('offsite');
    const { outcomes } = await copyJournal(from, [{ place: failing }, { place: target }], stream.source);
    assert.equal(outcomes[0]?.failure, full);
    assert.equal(outcomes[1]?.failure, null);
    assert.deepEqual(await storedLog(target), log.subarray(0, 2 * unitBytes + 100));
  });

  test('is refused where other log is there already', async () => {
    const from = await origin();
    const target = memoryPlace('offsite');
    const facts = { unit: unitOf(0n), from: 500, unitBytes };
    await savePiece(target, stream, facts, Buffer.alloc(10, 1));
    const { outcomes } = await copyJournal(from, [{ place: target }], stream.source);
    assert.equal(hasCode(outcomes[0]?.failure, 'journal-conflict'), true);
  });

  test('takes the heartbeat along when it has all the log before it, and never an older one', async () => {
    const from = await origin();
    const target = memoryPlace('offsite');
    const beat = { timeline: 1, lsn: BigInt(2 * unitBytes + 100), sentMs: 5000 };
    await saveHeartbeat(from, stream, beat);
    await copyJournal(from, [{ place: target }], stream.source);
    assert.deepEqual(await loadHeartbeat(target, stream), beat);
    await saveHeartbeat(target, stream, { ...beat, sentMs: 9000 });
    await copyJournal(from, [{ place: target }], stream.source);
    assert.equal((await loadHeartbeat(target, stream))?.sentMs, 9000);
    await saveHeartbeat(from, stream, { timeline: 1, lsn: BigInt(3 * unitBytes), sentMs: 10_000 });
    await copyJournal(from, [{ place: target }], stream.source);
    assert.equal((await loadHeartbeat(target, stream))?.sentMs, 9000, 'log before it is missing');
  });

  test('looks again where what it was about to read was compacted meanwhile', async () => {
    const from = await origin();
    const pieces = await listPieces(from, stream);
    let compacted = false;
    const busy = behind(from, {
      ...from.storage,
      async load(key, range) {
        if (!compacted && key === pieceKey(stream, pieces[0]!)) {
          compacted = true;
          await store(from, [0, unitBytes]);
          for (const piece of pieces.slice(0, 2)) await from.storage.remove(pieceKey(stream, piece));
        }
        return from.storage.load(key, range);
      },
    });
    const target = memoryPlace('offsite');
    const { problems } = await copyJournal(busy, [{ place: target }], stream.source);
    assert.deepEqual(problems, []);
    assert.deepEqual(await storedLog(target), log.subarray(0, 2 * unitBytes + 100));
  });
});
