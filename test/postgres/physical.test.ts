import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { own, ownFolder, startRestored, take } from './physical-site.ts';
import { missingServer, type Server } from './programs.ts';

for (const server of ['debian', 'newest'] satisfies Server[]) {
  describe(`a physical backup of the ${server} server`, { skip: missingServer(server) }, () => {
    let cluster: Cluster;
    let repository: Repository;

    before(async () => {
      cluster = await createCluster({ server, initdb: ['--data-checksums', '--wal-segsize=1'] });
      const spaces = ownFolder(join(cluster.folder, 'spaces'));
      await cluster.start();
      await cluster.sql(`create tablespace elsewhere location '${spaces}'`);
      await cluster.sql(`
        create table big as select n, repeat(md5(n::text), 4) as text from generate_series(1, 20000) as n;
        create table moved tablespace elsewhere as select n from generate_series(1, 1000) as n;
        create unlogged table lost as select n from generate_series(1, 1000) as n;
        create table "log" (n int);`);
      mkdirSync(join(cluster.data, 'log'));
      writeFileSync(join(cluster.data, 'log', 'kept'), 'kept');
      own(join(cluster.data, 'log'));
      own(join(cluster.data, 'log', 'kept'));
      repository = await createCheapRepository(localStorage(join(cluster.folder, 'repository')));
    });
    after(() => cluster?.destroy());

    for (const way of ['local', 'remote'] as const) {
      test(`${way}: restored by restic and started by pg_ctl, it is the database`, async (t) => {
        await cluster.sql(`insert into "log" values (1)`);
        const taken = await take(repository, cluster, way);
        assert.deepEqual(taken.warnings, []);
        assert.equal(taken.manifest.way, way);
        const restored = await startRestored(repository, server, taken);
        t.after(() => restored.destroy());
        const count = 'select count(*) from';
        assert.equal(await restored.sql(`${count} big`), '20000');
        assert.equal(await restored.sql(`${count} moved`), '1000');
        assert.equal(
          await restored.sql(`${count} lost`),
          '0',
          'unlogged tables are empty after a crash, too',
        );
        assert.equal(await restored.sql(`select count(*) > 0 from "log"`), 't');
        assert.equal(readFileSync(join(restored.data, 'log', 'kept'), 'utf8'), 'kept');
        assert.ok(!existsSync(join(restored.data, 'postmaster.opts.old')));
        await restored.run('pg_amcheck', ['--all', '--install-missing']);
      });
    }

    test('incremental: what did not change is not read again, and the snapshot is whole', async (t) => {
      await cluster.sql('checkpoint');
      // Files changed within two seconds of the copy's begin are read again.
      await new Promise((resolve) => setTimeout(resolve, 2100));
      const full = await take(repository, cluster, 'local');
      await cluster.sql('update big set text = upper(text) where n = 77');
      const next = await take(repository, cluster, 'local', 'incremental');
      assert.equal(next.manifest.comparedWith, full.id);
      assert.ok(next.newBytes < full.manifest.bytes / 4, `${next.newBytes} bytes were new`);
      const restored = await startRestored(repository, server, next);
      t.after(() => restored.destroy());
      assert.match(await restored.sql('select text from big where n = 77'), /^[0-9A-F]+$/);
      await restored.run('pg_amcheck', ['--all', '--install-missing']);
    });
  });
}
