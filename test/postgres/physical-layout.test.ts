import assert from 'node:assert/strict';
import {
  closeSync,
  cpSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, type ClusterOptions, createCluster } from './cluster.ts';
import { restoreByRestic, startRestored, take } from './physical-site.ts';
import { missingServer, type Server } from './programs.ts';

/** Clusters that do not look like the ones of a tutorial. */

const soak = process.env.LIFEBOAT_SOAK === '1';
const ways = ['local', 'remote'] as const;

interface Scene {
  readonly cluster: Cluster;
  readonly repository: Repository;
}

type Test = { after(work: () => unknown): void };

async function createScene(
  t: Test,
  options: ClusterOptions,
  prepare: (cluster: Cluster) => void = () => undefined,
): Promise<Scene> {
  const cluster = await createCluster(options);
  t.after(() => cluster.destroy());
  prepare(cluster);
  await cluster.start();
  await cluster.sql(
    'create table t as select n, md5(n::text) as text from generate_series(1, 5000) as n; create index on t (n)',
  );
  const repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
  return { cluster, repository };
}

const sum = `select count(*) || ' ' || md5(string_agg(text, '' order by n)) from t`;

for (const server of ['debian', 'newest'] satisfies Server[]) {
  describe(`a physical backup of the ${server} server`, { skip: missingServer(server) }, () => {
    test('of a cluster with links, group access and another encoding starts again', async (t) => {
      const outside = (cluster: Cluster): void => {
        const [wal, hba] = [join(cluster.data, 'pg_wal'), join(cluster.data, 'pg_hba.conf')];
        renameSync(wal, join(cluster.folder, 'wal'));
        symlinkSync(join(cluster.folder, 'wal'), wal);
        renameSync(hba, join(cluster.folder, 'hba.conf'));
        symlinkSync(join(cluster.folder, 'hba.conf'), hba);
      };
      const initdb = ['--allow-group-access', '--encoding=LATIN1', '--data-checksums'];
      const { cluster, repository } = await createScene(t, { server, initdb }, outside);
      const utf8 = `set client_encoding = 'UTF8';`;
      await cluster.sql(`${utf8} insert into t values (0, 'M\u00fcller')`);
      await cluster.sql(`${utf8} create database "gr\u00f6\u00dfe"`);
      await cluster.sql(`create database bytes encoding 'SQL_ASCII' template template0`);
      for (const way of ways) {
        const taken = await take(repository, cluster, way);
        assert.equal(taken.warnings.length, 1, taken.warnings.join('\n'));
        // The server does not send links.
        const expected = way === 'local' ? /pg_hba\.conf is a link/ : /skipping special file.*pg_hba\.conf/;
        assert.match(taken.warnings[0]!, expected);
        assert.deepEqual(
          taken.manifest.databases.flatMap(({ name }) => (/^template/.test(name) ? [] : [name])).sort(),
          ['bytes', 'gr\u00f6\u00dfe', 'postgres'],
        );
        const hbaFile = `'${join(cluster.folder, 'hba.conf')}'`;
        const restored = await startRestored(repository, server, taken, { hba_file: hbaFile });
        try {
          assert.equal(await restored.sql(sum), await cluster.sql(sum));
          assert.equal(await restored.sql('show server_encoding'), 'LATIN1');
          assert.equal(statSync(restored.data).mode & 0o777, 0o750);
          assert.ok(lstatSync(join(restored.data, 'pg_wal')).isDirectory());
          assert.equal(await restored.sql('show data_directory_mode'), '0750');
          await restored.run('pg_amcheck', ['postgres', '--install-missing']);
        } finally {
          await restored.destroy();
        }
      }
    });

    test('has the tablespaces that lie in the data directory', async (t) => {
      const { cluster, repository } = await createScene(t, {
        server,
        initdb: ['--data-checksums'],
        settings: { allow_in_place_tablespaces: 'on' },
      });
      await cluster.sql(`create tablespace inside location ''`);
      await cluster.sql('alter table t set tablespace inside');
      await cluster.sql('checkpoint');
      for (const way of ways) {
        if (way === 'remote' && server === 'debian') {
          // Before PostgreSQL 16 the server does not send them.
          await assert.rejects(
            take(repository, cluster, way),
            /the server leaves the tablespace inside out of its base backups/,
          );
          continue;
        }
        const taken = await take(repository, cluster, way);
        assert.deepEqual(taken.manifest.tablespaces, []);
        const folder = await restoreByRestic(repository, taken.id);
        const restored = await createCluster({ server, data: join(folder, 'app-db', 'data') });
        try {
          await restored.start();
          assert.equal(await restored.sql(sum), await cluster.sql(sum));
        } finally {
          await restored.destroy();
          rmSync(folder, { recursive: true, force: true });
        }
      }
    });
  });
}

describe('a physical backup', { skip: missingServer('debian') }, () => {
  test('reaches the server by its socket and by TCP', async (t) => {
    const { cluster, repository } = await createScene(t, {});
    for (const url of [cluster.url, cluster.urlOf({ host: '127.0.0.1' })])
      for (const way of ways) {
        const taken = await take(repository, cluster, way, 'full', { url });
        assert.equal(taken.manifest.way, way);
      }
  });

  test('never takes a copy of the data directory for the server', async (t) => {
    const { cluster, repository } = await createScene(t, {});
    const copy = join(cluster.folder, 'copy');
    await cluster.sql('checkpoint');
    cpSync(cluster.data, copy, { recursive: true, preserveTimestamps: true });
    await cluster.sql('insert into t select n from generate_series(1, 1000) as n');
    await assert.rejects(
      take(repository, cluster, 'local', 'full', { dataDirectory: copy }),
      /not possible: .*copy is a copy of the server's data directory/,
    );
    const taken = await take(repository, cluster, 'auto', 'full', { dataDirectory: copy });
    assert.equal(taken.manifest.way, 'remote');

    // Where no slot can be made to look for, the checkpoint of the backup tells.
    await cluster.sql('create role keeper login');
    for (const name of ['pg_backup_start(text, boolean)', 'pg_backup_stop(boolean)'])
      await cluster.sql(`grant execute on function ${name} to keeper`);
    await assert.rejects(
      take(repository, cluster, 'local', 'full', {
        dataDirectory: copy,
        url: cluster.urlOf({ user: 'keeper' }),
      }),
      /copy is a copy of the server's data directory: its last checkpoint is at/,
    );
    rmSync(join(copy, 'postmaster.pid'));
    await assert.rejects(
      take(repository, cluster, 'local', 'full', { dataDirectory: copy }),
      /cannot be read here/,
    );
  });

  test('knows the blocks of a relation of more than a gibibyte', async (t) => {
    const { cluster, repository } = await createScene(t, { initdb: ['--data-checksums'] });
    await cluster.sql('create table big (text text); alter table big alter text set storage plain');
    await cluster.sql(`insert into big select repeat('x', 2000) from generate_series(1, 100)`);
    const path = join(cluster.data, await cluster.sql(`select pg_relation_filepath('big')`));
    await cluster.stop();
    // Pages of zeros up to the last of the first file: the next rows come behind them.
    const file = openSync(path, 'r+');
    ftruncateSync(file, 1024 ** 3);
    closeSync(file);
    await cluster.start();
    await cluster.sql(`insert into big select repeat('y', 2000) from generate_series(1, 100)`);
    await cluster.sql('checkpoint');
    assert.ok(statSync(`${path}.1`).size > 0);
    for (const way of soak ? ways : (['local'] as const)) {
      const { manifest } = await take(repository, cluster, way);
      assert.deepEqual(manifest.damagedPages, []);
      assert.ok(manifest.bytes > 1024 ** 3);
    }
  });
});
