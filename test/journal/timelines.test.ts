import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { reachableFrom, type TimelineHistory } from '../../src/journal/coverage.ts';
import { loadHistories, loadHistory, saveHistory } from '../../src/journal/history.ts';
import { listJournal } from '../../src/journal/list.ts';
import type { WalRange } from '../../src/model/wal.ts';
import { memoryPlace, stream, unitBytes } from './places.ts';

const unit = BigInt(unitBytes);
const range = (timeline: number, start: bigint, end: bigint): WalRange => ({ timeline, start, end });
const branch = 5n * unit + 100n;
const second: TimelineHistory = { timeline: 2, switches: [{ timeline: 1, end: branch, reason: '' }] };
const third: TimelineHistory = {
  timeline: 3,
  switches: [...second.switches, { timeline: 2, end: 8n * unit, reason: '' }],
};
const sibling: TimelineHistory = { timeline: 4, switches: [{ timeline: 1, end: 7n * unit, reason: '' }] };

const reach = (lsn: bigint, ranges: WalRange[], histories = [second, third, sibling], timeline = 1) =>
  reachableFrom({ timeline, lsn }, ranges, histories, unitBytes).map(({ parts }) =>
    parts.map(({ timeline, start, end }) => `${timeline}:${start}-${end}`).join(' '),
  );

describe('what a position can reach', () => {
  const start = 2n * unit + 7n;

  test('is its own timeline as far as there is no gap', () => {
    const ranges = [range(1, 0n, 4n * unit), range(1, 5n * unit, 9n * unit)];
    assert.deepEqual(reach(start, ranges, []), [`1:${start}-${4n * unit}`]);
    assert.deepEqual(reach(4n * unit + 1n, ranges, []), []);
    assert.deepEqual(reach(start, [], [second]), []);
  });

  test('goes on over every timeline that branched off behind it', () => {
    const ranges = [
      range(1, 0n, 9n * unit),
      range(2, 5n * unit, 8n * unit + 50n),
      range(3, 8n * unit, 20n * unit),
      range(4, 7n * unit, 8n * unit),
    ];
    assert.deepEqual(reach(start, ranges), [
      `1:${start}-${9n * unit}`,
      `1:${start}-${branch} 2:${branch}-${8n * unit + 50n}`,
      `1:${start}-${branch} 2:${branch}-${8n * unit} 3:${8n * unit}-${20n * unit}`,
      `1:${start}-${7n * unit} 4:${7n * unit}-${8n * unit}`,
    ]);
    assert.deepEqual(reach(6n * unit, ranges), [
      `1:${6n * unit}-${9n * unit}`,
      `1:${6n * unit}-${7n * unit} 4:${7n * unit}-${8n * unit}`,
    ]);
  });

  test('does not leave a timeline before a gap in it', () => {
    const ranges = [range(1, 0n, 4n * unit), range(1, 5n * unit, 9n * unit), range(2, 5n * unit, 9n * unit)];
    assert.deepEqual(reach(start, ranges), [`1:${start}-${4n * unit}`]);
  });

  test('takes the segment of the branching point from whichever timeline has it', () => {
    assert.deepEqual(reach(start, [range(1, 0n, 5n * unit), range(2, 5n * unit, 6n * unit)]), [
      `1:${start}-${5n * unit}`,
      `1:${start}-${branch} 2:${branch}-${6n * unit}`,
    ]);
    assert.deepEqual(reach(start, [range(1, 0n, 5n * unit), range(2, branch, 6n * unit)]), [
      `1:${start}-${5n * unit}`,
    ]);
    assert.deepEqual(reach(5n * unit + 1n, [range(2, 5n * unit, 6n * unit)]), [
      `1:${5n * unit + 1n}-${branch} 2:${branch}-${6n * unit}`,
    ]);
  });
});

describe('timeline history files', () => {
  const text = Buffer.from('1\t0/5064\tno recovery target specified\n');

  test('come back as they were written, and are stored once', async () => {
    const place = memoryPlace();
    assert.equal(await saveHistory(place, stream, 2, text), 'saved');
    assert.equal(await saveHistory(place, stream, 2, text), 'already there');
    assert.equal(place.storage.objects.size, 1);
    assert.match(
      [...place.storage.objects.keys()][0]!,
      /^lifeboat\/journal\/app-db\/7301234567890123456\/history\/00000002\.history\.[0-9a-f]{32}$/,
    );
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
    assert.equal(await loadHistory(place, stream, 3), null);
    assert.deepEqual((await loadHistories(place, stream)).histories, [
      { timeline: 2, switches: [{ timeline: 1, end: 0x5064n, reason: 'no recovery target specified' }] },
    ]);
    assert.deepEqual(
      (await listJournal(place, 'app-db'))[0]!.histories.map(({ timeline }) => timeline),
      [2],
    );
  });

  test('are never replaced by others', async () => {
    const place = memoryPlace();
    await saveHistory(place, stream, 2, text);
    await assert.rejects(saveHistory(place, stream, 2, Buffer.from('1\t0/6000\tother\n')), (error) =>
      hasCode(error, 'journal-conflict'),
    );
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
  });

  test('that are damaged are told, and can be stored again', async () => {
    const place = memoryPlace();
    await saveHistory(place, stream, 2, text);
    await saveHistory(place, stream, 3, Buffer.from('no history'));
    const [key] = [...place.storage.objects.keys()];
    place.storage.objects.get(key!)![20]! ^= 1;
    await assert.rejects(loadHistory(place, stream, 2), (error) => hasCode(error, 'journal-damaged'));
    const { histories, problems } = await loadHistories(place, stream);
    assert.deepEqual(histories, []);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['journal-damaged', 'journal-damaged'],
    );
    assert.equal(await saveHistory(place, stream, 2, text), 'saved');
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
  });
});
