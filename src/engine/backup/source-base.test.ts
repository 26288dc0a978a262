import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Id } from '../../model/id.ts';
import type { BackupType } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BaseRule, chooseBase } from './source-base.ts';

function snapshot(day: number, source: string, kind: BaseRule['kind'], type?: BackupType): StoredSnapshot {
  return {
    id: `${source}-${day}` as Id,
    time: `2026-11-${String(day).padStart(2, '0')}T00:00:00Z`,
    tree: 'f'.repeat(64) as Id,
    paths: [`/${source}`],
    tags: [
      'nightly',
      `lifeboat:source=${source}`,
      `lifeboat:kind=${kind}`,
      ...(type ? [`lifeboat:type=${type}`] : []),
    ],
  } as unknown as StoredSnapshot;
}

const snapshots = [
  snapshot(3, 'app', 'postgres-physical', 'incremental'),
  snapshot(1, 'app', 'postgres-physical', 'full'),
  snapshot(2, 'app', 'postgres-physical', 'full'),
  snapshot(4, 'app', 'postgres-logical'),
  snapshot(5, 'app-2', 'postgres-physical', 'full'),
];

function base(type: BackupType, kind: BaseRule['kind'] = 'postgres-physical', source = 'app'): string | null {
  return chooseBase(snapshots, { source, kind, type })?.id ?? null;
}

describe('the snapshot that a backup goes on from', () => {
  it('is none for a full one', () => assert.equal(base('full'), null));
  it('is the latest full one for a differential one', () => assert.equal(base('differential'), 'app-2'));
  it('is the latest of any type for an incremental one', () => assert.equal(base('incremental'), 'app-3'));
  it('is of the same kind', () => assert.equal(base('incremental', 'postgres-logical'), 'app-4'));
  it('is of the same source', () => {
    assert.equal(base('incremental', 'postgres-physical', 'app-2'), 'app-2-5');
    assert.equal(base('incremental', 'postgres-physical', 'ap'), null);
  });
});
