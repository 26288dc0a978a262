import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Id } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { formatSnapshotTable, groupHeading } from './snapshot-table.ts';

process.env.TZ = 'UTC';

const snapshots: StoredSnapshot[] = [
  {
    id: 'a1'.repeat(32) as Id,
    time: '2026-01-02T03:04:05.678Z',
    paths: ['/etc', '/srv/app'],
    hostname: 'alpha',
    tags: ['nightly', 'keep'],
    summary: { total_bytes_processed: 6_000_019 } as NonNullable<StoredSnapshot['summary']>,
  },
  { id: 'b2'.repeat(32) as Id, time: '2026-01-03T03:04:05Z', paths: ['/etc'], hostname: 'a-longer-name' },
];

describe('the table of snapshots', () => {
  test('leaves a line between snapshots where one has several paths', () => {
    assert.deepEqual(formatSnapshotTable(snapshots, { TZ: 'Europe/Berlin' }), [
      'ID        Time                 Host           Tags          Paths     Size',
      '-------------------------------------------------------------------------------',
      'a1a1a1a1  2026-01-02 03:04:05  alpha          nightly,keep  /etc      5.722 MiB',
      '                                                            /srv/app',
      '',
      'b2b2b2b2  2026-01-03 03:04:05  a-longer-name                /etc',
      '-------------------------------------------------------------------------------',
      'Timestamps shown in Europe/Berlin\n2 snapshots',
    ]);
  });

  test('is compact on demand', () => {
    assert.deepEqual(formatSnapshotTable(snapshots, {}, { compact: true }), [
      'ID        Time                 Host           Tags     Size',
      '----------------------------------------------------------------',
      'a1a1a1a1  2026-01-02 03:04:05  alpha          nightly  5.722 MiB',
      '                                              keep',
      'b2b2b2b2  2026-01-03 03:04:05  a-longer-name',
      '----------------------------------------------------------------',
      'Timestamps shown in local time\n2 snapshots',
    ]);
  });

  test('says why each is kept', () => {
    const lines = formatSnapshotTable(
      snapshots.slice(1),
      {},
      { reasons: [['daily snapshot', 'last snapshot']] },
    );
    assert.deepEqual(lines.slice(0, 4), [
      'ID        Time                 Host           Tags        Reasons         Paths',
      '-------------------------------------------------------------------------------',
      'b2b2b2b2  2026-01-03 03:04:05  a-longer-name              daily snapshot  /etc',
      '                                                          last snapshot',
    ]);
  });
});

test('a group is named by what it has in common', () => {
  assert.equal(
    groupHeading({ hostname: 'alpha', tags: ['a', 'b'], paths: ['/x'] }),
    'snapshots for (host [alpha], tags [a, b], paths [/x]):',
  );
  assert.equal(groupHeading({ hostname: '', tags: null, paths: null }), null);
});
