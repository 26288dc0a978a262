import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { randomOf, seed } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster } from './cluster.ts';
import {
  contentsOf,
  lastManifest,
  ownFolder,
  restoreByRestic,
  startRestored,
  type Taken,
  take,
} from './physical-site.ts';
import { missingServer } from './programs.ts';

/** What an incremental backup takes over from an earlier one. */

const soak = process.env.LIFEBOAT_SOAK === '1';
const rounds = soak ? 40 : 3;
const skip = missingServer('debian');

/** What is written by each backup anew, or by the server whenever it makes a checkpoint. */
const ownOfBackup = /\/(?:\.lifeboat\/.*|backup_label|tablespace_map|global\/pg_control|pg_wal\/.*)$/;

function filesOf(contents: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...contents].filter(([path]) => !ownOfBackup.test(path)).sort());
}

describe(`an incremental backup (LIFEBOAT_SEED=${seed})`, { skip }, () => {
  let cluster: Cluster;
  let repository: Repository;
  before(async () => {
    cluster = await createCluster({ initdb: ['--wal-segsize=1'] });
    await cluster.start();
    for (const name of ['first', 'second'])
      await cluster.sql(`create tablespace ${name} location '${ownFolder(join(cluster.folder, name))}'`);
    repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
  });
  after(() => cluster?.destroy());

  test('holds what a full one at the same quiet moment does, whatever happened before', async () => {
    const random = randomOf('reuse');
    const table = (): string => `t${random.below(6)}`;
    const space = (): string => ['pg_default', 'first', 'second'][random.below(3)]!;
    const happenings: readonly (() => string)[] = [
      () => `create table if not exists ${table()} (n int, text text) tablespace ${space()}`,
      () =>
        `insert into ${table()} select n, md5(n::text) from generate_series(1, ${1 + random.below(9000)}) as n`,
      () => `update ${table()} set text = upper(text) where n % ${1 + random.below(50)} = 0`,
      () => `delete from ${table()} where n % ${1 + random.below(9)} = 0`,
      () => `truncate ${table()}`,
      () => `drop table if exists ${table()}`,
      () => `vacuum ${table()}`,
      () => `vacuum full ${table()}`,
      () => `create index on ${table()} (n) tablespace ${space()}`,
      () => `alter table ${table()} set tablespace ${space()}`,
      () => `alter table ${table()} set unlogged`,
      () => `alter table ${table()} set logged`,
      () => `create database d${random.below(3)} strategy ${random.below(2) ? 'wal_log' : 'file_copy'}`,
      () => `drop database d${random.below(3)}`,
      () => 'checkpoint',
      () => 'select pg_switch_wal()',
      () => `select pg_sleep(${random.below(20) / 10})`,
      () => 'crash',
    ];
    const happen = async (): Promise<void> => {
      const statement = happenings[random.below(happenings.length)]!();
      if (statement === 'crash') {
        await cluster.stop('immediate');
        await cluster.start();
      } else {
        // What the draw makes impossible does not happen.
        await cluster.sql(statement).catch(() => undefined);
      }
    };
    await take(repository, cluster, 'local', 'full');
    let takenOver = 0;
    for (let round = 0; round < rounds; round++) {
      const base = (await lastManifest(repository))!;
      // Some of it beside the copy of the one that the next goes on from.
      for (let n = 0; n < 8; n++) await happen();
      const beside = async (): Promise<void> => {
        for (let n = 0; n < 3; n++) await cluster.sql(happenings[random.below(14)]!()).catch(() => undefined);
      };
      const busy = await take(repository, cluster, 'local', 'incremental', { comparedWith: base, beside });
      for (let n = 0; n < 5; n++) await happen();
      // From here on nothing is written: not even hints of what was looked at by a backup.
      await take(repository, cluster, 'local', 'full');
      await cluster.sql('checkpoint');
      const comparedWith = { snapshot: busy.id, manifest: busy.manifest };
      const next = await take(repository, cluster, 'local', 'incremental', { comparedWith });
      const full = await take(repository, cluster, 'local', 'full');
      assert.equal(next.manifest.comparedWith, busy.id, next.warnings.join('\n'));
      takenOver += next.unmodified;
      assert.deepEqual(
        filesOf(await contentsOf(repository, next.id)),
        filesOf(await contentsOf(repository, full.id)),
        `round ${round}`,
      );
    }
    assert.ok(takenOver > rounds * 100, `${takenOver} files were taken over`);
  });
});

describe('what an earlier backup read', { skip }, () => {
  test('is taken over neither from another cluster nor from another history', async (t) => {
    const cluster = await createCluster({ initdb: ['--wal-segsize=1'] });
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql('create table t as select n from generate_series(1, 1000) as n; checkpoint');
    const repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
    await sleep(2100);
    const isRead = (taken: Taken, why: RegExp): void => {
      assert.deepEqual([taken.manifest.type, taken.manifest.comparedWith], ['full', null]);
      assert.match(taken.warnings.join('\n'), why);
    };
    const early = await take(repository, cluster, 'local');
    await cluster.sql('insert into t values (2000)');
    const late = await take(repository, cluster, 'local', 'incremental');
    assert.equal(late.manifest.comparedWith, early.id);
    const comparedWith = { snapshot: late.id, manifest: late.manifest };

    const other = await createCluster();
    t.after(() => other.destroy());
    await other.start();
    const small = { ...late.manifest, chunkBytes: 8192 };
    const stranger = await take(repository, other, 'local', 'incremental', {
      comparedWith,
      previous: small,
    });
    isRead(stranger, /is of the cluster \d+, the server is \d+: everything is read/);
    assert.equal(stranger.manifest.chunkBytes, 32 * 1024);

    const back = await startRestored(repository, 'debian', early);
    t.after(() => back.destroy());
    const behind = await take(repository, back, 'local', 'incremental', { comparedWith });
    isRead(behind, /does not lie in the past of this server \(it ended at .*\): everything is read/);

    // Recovered to before the later backup's end, it writes on beyond it, on a timeline of its own.
    const folder = await restoreByRestic(repository, early.id);
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const aside = await createCluster({
      data: join(folder, 'app-db', 'data'),
      settings: {
        restore_command: `'false'`,
        recovery_target: `'immediate'`,
        recovery_target_action: 'promote',
      },
    });
    t.after(() => aside.destroy());
    writeFileSync(join(aside.data, 'recovery.signal'), '');
    await aside.start();
    while ((await aside.sql('select pg_is_in_recovery()')) === 't') await sleep(50);
    await aside.sql('create table u (n int)');
    for (let n = 0; n < 4; n++) await aside.sql('insert into u values (1); select pg_switch_wal()');
    const apart = await take(repository, aside, 'local', 'incremental', { comparedWith });
    isRead(apart, /its timeline 1 was left at 0\/\w+, before its end/);
    const onward = await take(repository, aside, 'local', 'incremental');
    assert.equal(onward.manifest.comparedWith, apart.id);
    assert.equal(onward.manifest.timeline, 2);
  });

  test('keeps the size of its blobs for full backups, too', async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.destroy());
    await cluster.start();
    const repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
    const first = await take(repository, cluster, 'local');
    const previous = { ...first.manifest, chunkBytes: 64 * 1024 };
    for (const way of ['local', 'remote'] as const) {
      const full = await take(repository, cluster, way, 'full', { previous });
      assert.equal(full.manifest.chunkBytes, 64 * 1024);
    }
  });
});
