import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  expireJournals,
  planJournalExpiry,
  type TaggedSnapshot,
} from '../../src/engine/journal/expire-journal.ts';
import { listHistories, saveHistory } from '../../src/journal/history.ts';
import { historyKey } from '../../src/journal/layout.ts';
import { listPieces } from '../../src/journal/list.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { Id } from '../../src/model/id.ts';
import { postgresTags } from '../../src/model/postgres-manifest.ts';
import { formatLsn } from '../../src/model/wal.ts';
import { logOf, memoryPlace, stream, unitBytes, unitOf } from './places.ts';

const unit = BigInt(unitBytes);
const log = logOf(unitBytes);

async function filledPlace() {
  const place = memoryPlace();
  for (let number = 0n; number < 5n; number++)
    await savePiece(place, stream, { unit: unitOf(number * unit), from: 0, unitBytes }, log);
  return place;
}

function snapshot(more: Partial<Record<keyof typeof postgresTags, string>>): TaggedSnapshot {
  const tags = {
    source: stream.source,
    kind: 'postgres-physical',
    systemIdentifier: stream.stream,
    timeline: '1',
    start: formatLsn(2n * unit + 40n),
    ...more,
  };
  return {
    id: 'a'.repeat(64) as Id,
    tags: Object.entries(tags).map(
      ([key, value]) => `${postgresTags[key as keyof typeof postgresTags]}=${value}`,
    ),
  };
}

describe('the journal of a repository', () => {
  test('loses what is older than the start of the oldest backup that is kept', async () => {
    const place = await filledPlace();
    const snapshots = [
      snapshot({ start: formatLsn(3n * unit) }),
      snapshot({}),
      snapshot({ source: 'other', start: '0/0' }),
      snapshot({ systemIdentifier: '5', start: '0/0' }),
      snapshot({ kind: 'postgres-logical', start: 'none' }),
      { id: 'b'.repeat(64) as Id },
    ];
    const plan = await planJournalExpiry(place, snapshots);
    assert.equal((await listPieces(place, stream)).length, 5);
    assert.equal(plan.streams[0]!.keptWhole, null);
    const report = await expireJournals(place, plan);
    assert.equal(report.removed, 2);
    assert.equal(report.removedBytes, plan.removedBytes);
    assert.deepEqual(
      (await listPieces(place, stream)).map((piece) => piece.unit),
      [2n, 3n, 4n].map((number) => unitOf(number * unit)),
    );
  });

  test('is kept whole where it cannot be said what is needed', async () => {
    const place = await filledPlace();
    const whys: (string | null)[] = [];
    for (const snapshots of [
      [],
      [snapshot({}), snapshot({ start: 'odd' })],
      [snapshot({}), snapshot({ timeline: '0' })],
      [{ id: 'c'.repeat(64) as Id, tags: [`${postgresTags.source}=${stream.source}`] }, snapshot({})],
    ]) {
      const plan = await planJournalExpiry(place, snapshots);
      assert.equal((await expireJournals(place, plan)).removed, 0);
      whys.push(plan.streams[0]!.keptWhole);
    }
    assert.match(whys[0]!, /no backup of it/);
    for (const why of whys.slice(1)) assert.match(why!, /the tags of snapshot/);
    await saveHistory(place, stream, 2, Buffer.from('1\t0/3000\tx\n'));
    const [history] = await listHistories(place, stream);
    place.storage.objects.get(historyKey(stream, history!))![8]! ^= 1;
    const plan = await planJournalExpiry(place, [snapshot({})]);
    assert.equal(plan.removedBytes, 0);
    assert.match(plan.streams[0]!.keptWhole!, /history/);
  });
});
