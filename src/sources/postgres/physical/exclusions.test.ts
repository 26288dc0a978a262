import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  holdsRelations,
  isEmptied,
  isExcludedName,
  isTemporaryRelation,
  relationFile,
  unloggedRelations,
} from './exclusions.ts';

describe('what a physical backup leaves out', () => {
  test('is what the server makes anew, and never a folder that is merely named log', () => {
    for (const path of ['pg_wal', 'pg_replslot', 'pg_stat_tmp']) assert.ok(isEmptied(path), path);
    for (const path of ['pg_xact', 'base/1', 'log', 'base/pg_wal']) assert.ok(!isEmptied(path), path);
    for (const name of [
      'postmaster.pid',
      'pgsql_tmp',
      'pgsql_tmp123.0',
      'pg_internal.init.77',
      'backup_manifest',
    ])
      assert.ok(isExcludedName(name), name);
    for (const name of ['log', 'postgresql.auto.conf', 'PG_VERSION', 'pg_hba.conf', 'pg_filenode.map'])
      assert.ok(!isExcludedName(name), name);
  });

  test('is temporary relations, and of unlogged ones all forks but the initial one', () => {
    for (const name of ['t3_16384', 't12_16384_fsm', 't3_16384.1'])
      assert.ok(isTemporaryRelation(name), name);
    for (const name of ['16384', 't3', 'template_1', 't3_x']) assert.ok(!isTemporaryRelation(name), name);
    assert.deepEqual(
      unloggedRelations(['16384', '16384_init', '16385', '16384_fsm', 'x_init']),
      new Set(['16384']),
    );
  });
});

describe('files of relations', () => {
  test('have a fork and a segment', () => {
    assert.deepEqual(relationFile('16384'), { relation: '16384', fork: 'main', segment: 0 });
    assert.deepEqual(relationFile('16384.12'), { relation: '16384', fork: 'main', segment: 12 });
    assert.deepEqual(relationFile('16384_vm.2'), { relation: '16384', fork: 'vm', segment: 2 });
    for (const name of [
      'PG_VERSION',
      'pg_filenode.map',
      '16384_toast',
      '16384.',
      '16384_fsm.x',
      '99999999999',
    ])
      assert.equal(relationFile(name), null, name);
  });

  test('lie in the folders of databases only', () => {
    for (const folder of ['global', 'base/1', 'pg_tblspc/16400/PG_15_202209061/5'])
      assert.ok(holdsRelations(folder));
    for (const folder of ['', 'base', 'pg_xact', 'pg_tblspc/16400', 'log'])
      assert.ok(!holdsRelations(folder));
  });
});
