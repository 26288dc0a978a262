import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import type { Id } from '../../../model/id.ts';
import type { StoredSnapshot } from '../../../model/snapshot.ts';
import { chooseLogicalSnapshot } from './choose.ts';
import { parseTableName } from './table-name.ts';

const snapshotOf = (digit: string, stopTime: string, kind = 'postgres-logical'): StoredSnapshot => ({
  id: digit.repeat(64) as Id,
  time: stopTime,
  paths: ['/app'],
  tags: ['lifeboat:source=app', `lifeboat:kind=${kind}`, `lifeboat:stop-time=${stopTime}`],
});
const snapshots = [
  snapshotOf('b', '2026-01-02T00:00:00.000Z'),
  snapshotOf('a', '2026-01-01T00:00:00.000Z'),
  snapshotOf('c', '2026-01-03T00:00:00.000Z', 'safety'),
];
const choice = { source: 'app', notAfterMs: null, snapshot: null };

test('a restore takes the newest snapshot, or the newest that was complete by a time', () => {
  assert.match(chooseLogicalSnapshot(snapshots, choice).id, /^b/);
  const notAfterMs = Date.parse('2026-01-01T23:59:59Z');
  assert.match(chooseLogicalSnapshot(snapshots, { ...choice, notAfterMs }).id, /^a/);
});

test('a safety backup is taken only where it is named', () => {
  assert.match(chooseLogicalSnapshot(snapshots, { ...choice, snapshot: 'cccc' }).id, /^c/);
});

test('a time before all snapshots, and a source without any, are refused', () => {
  const missing = (error: unknown): boolean => hasCode(error, 'snapshot-missing');
  assert.throws(() => chooseLogicalSnapshot(snapshots, { ...choice, notAfterMs: 1000 }), missing);
  assert.throws(() => chooseLogicalSnapshot(snapshots, { ...choice, source: 'other' }), missing);
});

test('names of tables have a schema, which is public where none is given', () => {
  assert.deepEqual(parseTableName('stock.item'), { schema: 'stock', table: 'item' });
  assert.deepEqual(parseTableName('item'), { schema: 'public', table: 'item' });
  assert.deepEqual(parseTableName('"a.b"."c""d"'), { schema: 'a.b', table: 'c"d' });
  for (const wrong of ['', 'a.b.c', 'a.', '"a'])
    assert.throws(
      () => parseTableName(wrong),
      (error) => hasCode(error, 'usage'),
    );
});
