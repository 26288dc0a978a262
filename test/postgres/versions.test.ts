import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster, runAsServer, serverFolder } from './cluster.ts';
import { ownFolder, startRestored, type Taken, take } from './physical-site.ts';
import { allServers, binFolder, missingServer, type Server } from './programs.ts';
import { startIn } from './trust-site.ts';
import { createWorkspace, sourceName } from './workspace.ts';

/** Every server that Lifeboat supports; a soak run takes all, each with checksums and without. */

const soak = process.env.LIFEBOAT_SOAK === '1';
const sampled: readonly Server[] = ['debian', 'newest'];

const skipOf = (server: Server): string | false =>
  !soak && !sampled.includes(server) ? 'soak only' : missingServer(server);

const majorOf = (server: Server): number => {
  if (server === 'newest') return 18;
  return server === 'debian' ? Number(/\/(\d+)\/bin$/.exec(binFolder(server) ?? '')?.[1]) : Number(server);
};

interface Build {
  readonly checksums: boolean;
  readonly segmentMiB: 1 | 16;
}

const builds: readonly Build[] = [
  { checksums: false, segmentMiB: 16 },
  // test/postgres/physical.test.ts has it for the sampled ones.
  ...(soak ? ([{ checksums: true, segmentMiB: 1 }] as const) : []),
];

function initdbOf(server: Server, { checksums, segmentMiB }: Build): string[] {
  // Since 18 they are on unless told otherwise.
  const without = majorOf(server) >= 18 ? ['--no-data-checksums'] : [];
  return [`--wal-segsize=${segmentMiB}`, ...(checksums ? ['--data-checksums'] : without)];
}

const sums = `select count(*) || ' ' || sum(n) || ' ' || md5(string_agg(text, '' order by n)) from big
              union all select count(*) || ' ' || sum(n) from moved`;

for (const server of allServers) {
  for (const build of builds) {
    const name = `${build.checksums ? 'with' : 'without'} page checksums, segments of ${build.segmentMiB} MiB`;
    describe(`the ${server} server ${name}`, { skip: skipOf(server) }, () => {
      let cluster: Cluster;
      let repository: Repository;
      before(async () => {
        cluster = await createCluster({ server, initdb: initdbOf(server, build) });
        await cluster.start();
        await cluster.sql(
          `create tablespace elsewhere location '${ownFolder(join(cluster.folder, 'elsewhere'))}'`,
        );
        await cluster.sql(`
          create table big as select n, repeat(md5(n::text), 4) as text from generate_series(1, 20000) as n;
          create index on big (n);
          create table moved tablespace elsewhere as select n from generate_series(1, 1000) as n;`);
        repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
      });
      after(() => cluster?.destroy());

      async function isWhole(taken: Taken): Promise<void> {
        assert.deepEqual(taken.warnings, []);
        assert.equal(taken.manifest.dataChecksums, build.checksums);
        assert.equal(taken.manifest.segmentBytes, build.segmentMiB * 1024 * 1024);
        const expected = await cluster.sql(sums);
        const restored = await startRestored(repository, server, taken);
        try {
          assert.equal(await restored.sql(sums), expected);
          if (majorOf(server) >= 14) await restored.run('pg_amcheck', ['--all', '--install-missing']);
        } finally {
          await restored.destroy();
        }
      }

      test('is backed up locally, and then what changed', async () => {
        const full = await take(repository, cluster, 'local');
        assert.equal(full.manifest.way, 'local');
        await isWhole(full);
        await cluster.sql('update big set text = upper(text) where n % 1000 = 0; checkpoint');
        // Files changed within two seconds of the copy's begin are read again.
        await sleep(2100);
        await take(repository, cluster, 'local', 'full');
        await cluster.sql('insert into moved values (7)');
        const next = await take(repository, cluster, 'local', 'incremental');
        assert.equal(next.manifest.type, 'incremental');
        assert.ok(next.unmodified > 500, `${next.unmodified} files were taken over`);
        await isWhole(next);
      });

      test('is backed up by its replication protocol', async () => {
        const taken = await take(repository, cluster, 'remote');
        assert.equal(taken.manifest.way, 'remote');
        await isWhole(taken);
      });
    });
  }

  describe(`the ${server} server from the command line`, { skip: skipOf(server) }, () => {
    let cluster: Cluster;
    before(async () => {
      cluster = await createCluster({ server, initdb: ['--wal-segsize=1'] });
      await cluster.start();
      await cluster.sql('create table t (n int); insert into t values (1)');
    });
    after(() => cluster?.destroy());

    test('is recovered to a time between two transactions', async (t) => {
      const workspace = await createWorkspace({
        cluster,
        journal: { 'max-lag': '200ms' },
        source: { 'bin-directory': cluster.bin },
      });
      t.after(() => workspace.destroy());
      const receiver = startIn(workspace, cluster, ['wal', 'receive']);
      const ending = once(receiver.process, 'close');
      t.after(() => receiver.process.kill('SIGKILL'));
      const made = await workspace.lifeboat(['backup', '--source', sourceName]);
      assert.equal(made.status, 0, made.stdout + made.stderr + receiver.output());
      await cluster.sql('insert into t values (2)');
      await sleep(20);
      const between = await cluster.sql('select clock_timestamp()');
      await sleep(20);
      await cluster.sql('insert into t values (3)');
      const end = await cluster.sql('select pg_current_wal_flush_lsn()');
      const shipped = `select count(*) from pg_stat_replication where flush_lsn >= '${end}'`;
      const giveUp = Date.now() + 60_000;
      while ((await cluster.sql(shipped)) === '0') {
        assert.ok(Date.now() < giveUp, receiver.output());
        await sleep(50);
      }
      receiver.process.kill('SIGTERM');
      await ending;
      const folder = serverFolder();
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const target = join(folder, 'data');
      await cluster.stop();
      const point = ['--to', between, '--target', target, '--yes'];
      const restored = await workspace.lifeboat(['restore', sourceName, ...point]);
      assert.equal(restored.status, 0, restored.stdout + restored.stderr);
      // It has the settings of the old one, so it is found in its place.
      const found = await cluster.sql(`select string_agg(n::text, ',' order by n) from t`);
      await runAsServer(join(cluster.bin, 'pg_ctl'), ['-D', target, '-m', 'immediate', 'stop']);
      await cluster.start();
      assert.equal(found, '1,2');
    });

    test('is dumped by tools of its major or a newer one, and by older ones not', async (t) => {
      const workspace = await createWorkspace({ cluster, method: 'logical' });
      t.after(() => workspace.destroy());
      const made = await workspace.lifeboat(['backup', '--source', sourceName]);
      if (majorOf(server) <= majorOf('debian')) {
        assert.equal(made.status, 0, made.stdout + made.stderr);
        const restored = await workspace.lifeboat(['restore', sourceName, '--as', 'other', '--yes']);
        assert.equal(restored.status, 0, restored.stdout + restored.stderr);
        assert.equal(await cluster.sql('select count(*) > 0 from t', 'other'), 't');
      } else {
        assert.equal(made.status, 1, made.stdout);
        assert.match(
          made.stderr,
          /^Fatal: the server is PostgreSQL \d+, and .*pg_dump is of version \S+, which is older$/m,
        );
        assert.equal((await workspace.lifeboat(['snapshots', '--json'])).stdout, '[]\n');
      }
    });
  });
}
