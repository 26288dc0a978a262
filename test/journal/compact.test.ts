import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../src/core/errors.ts';
import { compactUnit, planCompaction } from '../../src/journal/compact.ts';
import { pieceKey } from '../../src/journal/layout.ts';
import { listPieces } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import { loadUnit } from '../../src/journal/load-unit.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { Piece } from '../../src/model/journal.ts';
import { type Fault, faultyStorage } from '../crash/faulty-storage.ts';
import { behind, logOf, type MemoryPlace, memoryPlace, stream, unitBytes, unitOf } from './places.ts';

const log = logOf(3 * unitBytes, 7);

async function saveParts(place: MemoryPlace, cuts: readonly number[], start = 0): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for (const [at, from] of cuts.slice(0, -1).entries()) {
    const facts = {
      unit: unitOf(BigInt(start)),
      from,
      unitBytes,
      firstCommitMs: from === 0 ? null : from,
      lastCommitMs: from === 0 ? null : from + 1,
      sentMs: from,
    };
    const bytes = log.subarray(start + from, start + cuts[at + 1]!);
    pieces.push((await savePiece(place, stream, facts, bytes, { existing: [] })).piece);
  }
  return pieces;
}

const quarters = [0, 1000, 2000, 3000, unitBytes];

describe('a plan of compaction', () => {
  test('names complete units that consist of several pieces, oldest first', async () => {
    const place = memoryPlace();
    await saveParts(place, quarters, unitBytes);
    await saveParts(place, quarters);
    await saveParts(place, [0, 1000, 2000], 2 * unitBytes);
    const plan = planCompaction(await listPieces(place, stream), unitBytes);
    assert.deepEqual(
      plan.map(({ unit, pieces, end }) => [unit, pieces.length, end]),
      [
        [unitOf(0n), 4, unitBytes],
        [unitOf(BigInt(unitBytes)), 4, unitBytes],
      ],
    );
  });

  test('leaves units with a gap, and whole ones', async () => {
    const place = memoryPlace();
    await saveParts(place, [0, 1000]);
    await saveParts(place, [1001, unitBytes]);
    await saveParts(place, [0, unitBytes], unitBytes);
    assert.deepEqual(planCompaction(await listPieces(place, stream), unitBytes), []);
  });

  test('takes up incomplete units where they consist of more pieces than asked', async () => {
    const place = memoryPlace();
    await saveParts(place, [0, 500, 1000, 1500]);
    await saveParts(place, [2000, 2500]);
    const pieces = await listPieces(place, stream);
    assert.deepEqual(planCompaction(pieces, unitBytes, { partsMax: 3 }), []);
    const [compaction] = planCompaction(pieces, unitBytes, { partsMax: 2 });
    assert.equal(compaction!.end, 1500);
    await compactUnit(place, stream, compaction!, unitBytes);
    assert.deepEqual(
      (await listPieces(place, stream)).map(({ from, to }) => [from, to]),
      [
        [0, 1500],
        [2000, 2500],
      ],
    );
  });
});

describe('compaction', () => {
  async function compactAll(place: Parameters<typeof listPieces>[0]) {
    for (const compaction of planCompaction(await listPieces(place, stream), unitBytes))
      await compactUnit(place, stream, compaction, unitBytes);
  }

  test('leaves one piece with the first and last commits of its parts', async () => {
    const place = memoryPlace();
    await saveParts(place, quarters);
    await compactAll(place);
    const pieces = await listPieces(place, stream);
    assert.equal(pieces.length, 1);
    const { facts, bytes } = await loadPiece(place, stream, pieces[0]!);
    assert.ok(bytes.equals(log.subarray(0, unitBytes)));
    assert.deepEqual(
      [facts.from, facts.to, facts.firstCommitMs, facts.lastCommitMs, facts.sentMs],
      [0, unitBytes, 1000, 3001, 3000],
    );
  });

  test('keeps every byte loadable whichever operation of the storage is the last', async () => {
    const original = memoryPlace();
    await saveParts(original, quarters);
    await saveParts(original, [0, 2000, 3000]);
    const probe = faultyStorage(original.storage.copy(), []);
    await compactAll(behind(original, probe));
    const count = probe.operations.length;
    assert.ok(count > 12);
    for (let at = 1; at <= count; at++) {
      const faults: Fault[] = [
        { kind: 'gone', at, code: 'storage-failed' },
        { kind: 'fail', at, when: 'after', code: 'storage-failed' },
        { kind: 'truncate', at, share: 0.7 },
        { kind: 'flip', at, bit: at * 997 },
      ];
      for (const fault of faults) {
        const storage = original.storage.copy();
        await compactAll(behind(original, faultyStorage(storage, [fault]))).catch((error: unknown) => {
          assert.ok(hasCode(error, 'storage-failed', 'journal-damaged'), String(error));
        });
        const place = behind(original, storage);
        const loaded = await loadUnit(place, stream, unitOf(0n), unitBytes, null);
        assert.ok(loaded.bytes.equals(log.subarray(0, unitBytes)), `${fault.kind} at operation ${at}`);
        await compactAll(place);
        const pieces = await listPieces(place, stream);
        assert.equal(pieces.length, 1, `${fault.kind} at operation ${at}`);
        const again = await loadUnit(place, stream, unitOf(0n), unitBytes, pieces);
        assert.ok(again.bytes.equals(log.subarray(0, unitBytes)));
      }
    }
  });

  test('removes nothing where a part is damaged that no other covers', async () => {
    const place = memoryPlace();
    const pieces = await saveParts(place, quarters);
    place.storage.objects.get(pieceKey(stream, pieces[1]!))![33]! ^= 1;
    const [compaction] = planCompaction(pieces, unitBytes);
    const outcome = await compactUnit(place, stream, compaction!, unitBytes);
    assert.equal(outcome.status, 'left');
    assert.equal(place.storage.objects.size, 4);
  });

  test('removes nothing where parts contradict each other', async () => {
    const place = memoryPlace();
    await saveParts(place, quarters);
    const other = Buffer.from(log.subarray(1500, 2500));
    other[0]! ^= 1;
    await savePiece(place, stream, { unit: unitOf(0n), from: 1500, unitBytes }, other, { existing: [] });
    await assert.rejects(compactAll(place), (error) => hasCode(error, 'journal-conflict'));
    assert.equal(place.storage.objects.size, 5);
  });

  test('done by two at once loses nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: unitBytes - 1 }), { maxLength: 6 }),
        fc.scheduler(),
        async (cuts, s) => {
          const place = memoryPlace();
          await saveParts(
            place,
            [...new Set([0, ...cuts, unitBytes])].sort((a, b) => a - b),
          );
          const slow = behind(place, {
            ...place.storage,
            load: s.scheduleFunction((key: string) => place.storage.load(key)),
            save: s.scheduleFunction((key: string, parts: readonly Uint8Array[]) =>
              place.storage.save(key, parts),
            ),
            remove: s.scheduleFunction((key: string) => place.storage.remove(key)),
          });
          const both = Promise.allSettled([compactAll(slow), compactAll(slow)]);
          await s.waitFor(both);
          const loaded = await loadUnit(place, stream, unitOf(0n), unitBytes, null);
          assert.ok(loaded.bytes.equals(log.subarray(0, unitBytes)));
        },
      ),
      { numRuns: 40 },
    );
  });
});
