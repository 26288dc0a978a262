import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/core/errors.ts';
import { startCompaction } from '../../src/engine/journal/background-compaction.ts';
import { listPieces } from '../../src/journal/list.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { WalEvent } from '../../src/model/wal-event.ts';
import { withAppendOnly } from '../../src/storage/layers/append-only.ts';
import { behind, logOf, memoryPlace, storedLog, stream, unitBytes, unitOf } from './places.ts';

const unitsCount = 3;
const log = logOf(unitsCount * unitBytes, 11);

describe('compaction while log is received', () => {
  test('stops in a place that lets nothing go, which keeps all of the log', async () => {
    const [free, kept] = [memoryPlace('free'), memoryPlace('kept')];
    const places = [free, behind(kept, withAppendOnly(kept.storage))];
    for (const place of places)
      for (let unit = 0; unit < unitsCount; unit++)
        for (const from of [0, unitBytes / 2]) {
          const facts = {
            unit: unitOf(BigInt(unit * unitBytes)),
            from,
            unitBytes,
            firstCommitMs: null,
            lastCommitMs: null,
            sentMs: 1,
          };
          const start = unit * unitBytes + from;
          await savePiece(place, stream, facts, log.subarray(start, start + unitBytes / 2));
        }
    const events: WalEvent[] = [];
    const compaction = startCompaction({
      places,
      stream,
      unitBytes,
      pauseMs: 0,
      sink: (event) => void events.push(event),
      journalSink: () => undefined,
    });
    const isDone = async (): Promise<boolean> => (await listPieces(free, stream)).length === unitsCount;
    for (let n = 0; n < 500 && !(events.length > 0 && (await isDone())); n++) await sleep(2);
    compaction.add(unitOf(0n));
    await sleep(20);
    await compaction.close();

    assert.ok(await isDone(), 'the other place was compacted');
    assert.equal(events.length, 1, 'it is told once');
    const [event] = events;
    assert.ok(event?.kind === 'compaction-failed' && event.place === 'kept');
    assert.ok(hasCode(event.error, 'storage-append-only'));
    const units = (await listPieces(kept, stream)).map(({ unit }) => unit);
    assert.equal(units.length, unitsCount * 2 + 1, 'no more than one unit is there twice');
    assert.deepEqual(await storedLog(kept), log);
  });
});
