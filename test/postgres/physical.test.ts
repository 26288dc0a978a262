import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readManifest } from '../../src/engine/look/read-manifest.ts';
import type { BackupType, PhysicalManifest } from '../../src/model/postgres-manifest.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { createPhysicalSource } from '../../src/sources/postgres/physical/source.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { run, systemRestic } from '../programs.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, createCluster, runAsServer, serverFolder } from './cluster.ts';
import { asServerAccount, missingServer, type Server } from './programs.ts';

interface Taken {
  readonly id: string;
  readonly manifest: PhysicalManifest;
  readonly newBytes: number;
  readonly warnings: string[];
}

function own(path: string): void {
  const { uid, gid } = asServerAccount();
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

async function lastManifest(
  repository: Repository,
): Promise<{ snapshot: string; manifest: PhysicalManifest } | null> {
  const { snapshots } = await listSnapshots(repository);
  const last = snapshots.sort((a, b) => (a.time < b.time ? -1 : 1)).at(-1);
  if (!last) return null;
  const reader = openBlobReader(repository, await loadIndex(repository));
  try {
    const manifest = await readManifest(reader, last);
    return { snapshot: last.id, manifest: manifest as PhysicalManifest };
  } finally {
    reader.close();
  }
}

async function take(
  repository: Repository,
  cluster: Cluster,
  way: 'local' | 'remote',
  type: BackupType = 'full',
): Promise<Taken> {
  const comparedWith = type === 'full' ? null : await lastManifest(repository);
  const warnings: string[] = [];
  const { signal } = new AbortController();
  const source = createPhysicalSource({
    source: 'app-db',
    settings: await connectionSettings(cluster.url, { password: null, env: {} }),
    way,
    dataDirectory: null,
    type,
    comparedWith,
    previous: comparedWith?.manifest ?? null,
    archiving: null,
    signal,
  });
  const report = await backUp(repository, '', {
    source: { entries: source },
    parent:
      type === 'full'
        ? null
        : {
            named: comparedWith!.snapshot,
            filter: (await import('../../src/policy/snapshot-selection.ts')).anySnapshot,
          },
    packBytes: undefined,
    events: {
      problem(path, error) {
        throw new Error(`${path}: ${String(error)}`);
      },
      warning: (message) => warnings.push(message),
    },
  });
  return {
    id: report.snapshotId!,
    manifest: source.manifest()!,
    newBytes: report.summary.data_added,
    warnings,
  };
}

/** What stock restic makes of a snapshot, started by stock pg_ctl. */
async function startRestored(
  repository: Repository,
  server: Server,
  id: string,
  tablespaces: string[] = [],
): Promise<Cluster> {
  const target = serverFolder();
  const restored = await run(systemRestic, ['restore', id, '--target', target], {
    repository: repository.storage.location,
  });
  assert.equal(restored.status, 0, restored.stderr);
  const root = join(target, 'app-db');
  for (const [n, oid] of tablespaces.entries()) {
    const place = join(target, `tablespace${n}`);
    await runAsServer('/bin/mv', [join(root, 'tablespaces', oid), place]);
    writeFileSync(join(root, 'data', 'tablespace_map'), `${oid} ${place}\n`);
  }
  const started = await createCluster({ server, data: join(root, 'data') });
  await started.start();
  return started;
}

for (const server of ['debian', 'newest'] satisfies Server[]) {
  describe(`a physical backup of the ${server} server`, { skip: missingServer(server) }, () => {
    let cluster: Cluster;
    let repository: Repository;

    before(async () => {
      cluster = await createCluster({ server, initdb: ['--data-checksums', '--wal-segsize=1'] });
      const spaces = join(cluster.folder, 'spaces');
      mkdirSync(spaces);
      own(spaces);
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
        const { oid } = taken.manifest.tablespaces[0]!;
        const restored = await startRestored(repository, server, taken.id, [String(oid)]);
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
      const { oid } = next.manifest.tablespaces[0]!;
      const restored = await startRestored(repository, server, next.id, [String(oid)]);
      t.after(() => restored.destroy());
      assert.match(await restored.sql('select text from big where n = 77'), /^[0-9A-F]+$/);
      await restored.run('pg_amcheck', ['--all', '--install-missing']);
    });
  });
}
