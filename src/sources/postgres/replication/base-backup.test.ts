import assert from 'node:assert/strict';
import { chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Cluster, createCluster, serverFolder } from '../../../../test/postgres/cluster.ts';
import { asServerAccount, missingServer, type Server } from '../../../../test/postgres/programs.ts';
import { type ErrorCode, hasCode } from '../../../core/errors.ts';
import { connectionSettings } from '../connection/settings.ts';
import { type BaseBackupStream, baseBackupCommand } from './base-backup.ts';
import { openReplication, type ReplicationSession } from './session.ts';

const code = (wanted: ErrorCode) => (error: unknown) => hasCode(error, wanted);
const wanted = { label: "it's a backup", fastCheckpoint: true };

function own(path: string): void {
  const { uid, gid } = asServerAccount();
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** Writes a backup to disk; the tablespaces go to folders beside the data. */
async function write(backup: BaseBackupStream, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { tablespace, entries } of backup.archives()) {
    const base = join(folder, tablespace === null ? 'data' : `tablespace-${tablespace.oid}`);
    mkdirSync(base, { mode: 0o700 });
    own(base);
    for await (const entry of entries) {
      const path = join(base, entry.path);
      if (tablespace === null) names.push(entry.path);
      if (entry.type === 'dir') mkdirSync(path, { mode: entry.mode });
      else if (entry.type === 'symlink') symlinkSync(entry.linkTarget!, path);
      else {
        const pieces: Uint8Array[] = [];
        for await (const piece of entry.bytes) pieces.push(Uint8Array.from(piece));
        const content = Buffer.concat(pieces);
        assert.equal(content.length, entry.size, entry.path);
        writeFileSync(path, content, { mode: entry.mode });
      }
      if (entry.type !== 'symlink') own(path);
    }
  }
  return names;
}

describe('the command of a backup', () => {
  test('is in the grammar of the version', () => {
    const options = { ...wanted, tablespaceMap: true, manifest: true, maxRateKiB: 4096 };
    assert.equal(
      baseBackupCommand(options, 14),
      "BASE_BACKUP LABEL 'it''s a backup' PROGRESS FAST NOWAIT MAX_RATE 4096 TABLESPACE_MAP NOVERIFY_CHECKSUMS MANIFEST 'yes' MANIFEST_CHECKSUMS 'NONE'",
    );
    assert.equal(
      baseBackupCommand(options, 15),
      "BASE_BACKUP (LABEL 'it''s a backup', PROGRESS true, CHECKPOINT 'fast', WAL false, WAIT false, MAX_RATE 4096, TABLESPACE_MAP true, VERIFY_CHECKSUMS false, MANIFEST 'yes', MANIFEST_CHECKSUMS 'NONE')",
    );
  });
});

for (const server of ['debian', 'newest'] satisfies Server[]) {
  describe(`a base backup of the ${server} server`, { skip: missingServer(server) }, () => {
    let cluster: Cluster;
    let tablespace: string;
    const digest = "select md5(string_agg(t::text, ',' order by n)) from t";
    before(async () => {
      cluster = await createCluster({ server });
      tablespace = serverFolder();
      const rules = 'local all all trust\nhost replication copier 127.0.0.1/32 scram-sha-256\n';
      writeFileSync(join(cluster.data, 'pg_hba.conf'), `${rules}local replication all trust\n`);
      await cluster.start();
      await cluster.sql(`create tablespace apart location '${tablespace}'`);
      await cluster.sql("create role copier login replication password 'ge:heim'");
      await cluster.sql(
        "create table t tablespace apart as select n, repeat('x', n % 700) from generate_series(1, 40000) n",
      );
    });
    after(async () => {
      await cluster.destroy();
      rmSync(tablespace, { recursive: true, force: true });
    });

    async function open(
      t: { after(fn: () => Promise<void>): void },
      uri = cluster.url,
    ): Promise<ReplicationSession> {
      const settings = await connectionSettings(uri, { password: null, env: { HOME: '/nonexistent' } });
      const session = await openReplication(settings, { largeReads: true });
      t.after(() => session.close());
      return session;
    }

    test('starts as a server that has everything, tablespaces too', async (t) => {
      const uri = cluster.urlOf({ user: 'copier', password: 'ge:heim', host: '127.0.0.1' });
      const session = await open(t, uri);
      let progress = 0;
      const backup = await session.baseBackup({
        ...wanted,
        wal: true,
        tablespaceMap: true,
        manifest: true,
        onProgress: (bytes) => {
          progress = bytes;
        },
      });
      const [oid] = backup.tablespaces.map((each) => each.oid);
      assert.deepEqual(
        backup.tablespaces.map(({ location }) => location),
        [tablespace],
      );
      assert.ok(backup.bytes > 20e6);
      assert.throws(() => backup.end(), code('internal'));

      const folder = serverFolder();
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      const names = await write(backup, folder);
      assert.equal(names[0], 'backup_label');
      assert.ok(names.indexOf('global/pg_control') > names.indexOf('base'));
      assert.ok(progress > 20e6);
      assert.equal(backup.start.timeline, 1);
      assert.ok(backup.end().lsn > backup.start.lsn);
      const manifest = JSON.parse(Buffer.from(backup.manifest()!).toString());
      assert.ok(manifest.Files.length > 500);

      const data = join(folder, 'data');
      const label = readFileSync(join(data, 'backup_label'), 'utf8');
      assert.match(label, /^LABEL: it's a backup$/m);
      const map = join(data, 'tablespace_map');
      assert.equal(readFileSync(map, 'utf8'), `${oid} ${tablespace}\n`);
      writeFileSync(map, `${oid} ${join(folder, `tablespace-${oid}`)}\n`);

      const copy = await createCluster({ server, data });
      t.after(() => copy.destroy());
      await copy.start();
      assert.equal(await copy.sql(digest), await cluster.sql(digest));
      // The session can do the next thing.
      assert.equal((await session.identifySystem()).timeline, 1);
    });

    test('has links instead of a map where none is asked for', async (t) => {
      const session = await open(t);
      const backup = await session.baseBackup(wanted);
      const links: (readonly [string, string | null])[] = [];
      for await (const { entries } of backup.archives()) {
        for await (const { type, path, linkTarget } of entries)
          if (type === 'symlink') links.push([path, linkTarget]);
      }
      assert.deepEqual(links, [[`pg_tblspc/${backup.tablespaces[0]?.oid}`, tablespace]]);
      assert.equal(backup.manifest(), null);
    });

    test('that is left early ends the connection, and the server goes on', async (t) => {
      const session = await open(t);
      const backup = await session.baseBackup(wanted);
      for await (const { entries } of backup.archives()) {
        for await (const _ of entries) break;
        break;
      }
      await assert.rejects(session.identifySystem(), code('database-connection-lost'));
      assert.equal(await cluster.sql('select 1'), '1');
    });

    test('whose connection is lost in the middle is an error, not an end', async (t) => {
      const session = await open(t);
      const backup = await session.baseBackup({ ...wanted, maxRateKiB: 4096 });
      const read = async (): Promise<void> => {
        let first = true;
        for await (const { entries } of backup.archives()) {
          for await (const { bytes } of entries) {
            for await (const _ of bytes) {
              if (first)
                await cluster.sql(
                  "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'",
                );
              first = false;
            }
          }
        }
      };
      await assert.rejects(read(), code('database-connection-lost'));
      assert.throws(() => backup.end(), code('internal'));
    });

    test('ends when it is cancelled, while the server waits too', async () => {
      const stop = new AbortController();
      const settings = await connectionSettings(cluster.url, { password: null, env: {} });
      const session = await openReplication(settings, { signal: stop.signal });
      // A spread checkpoint takes minutes.
      await cluster.sql("insert into t select n, '' from generate_series(50001, 50100) n");
      const waiting = session.baseBackup({ label: 'slow', fastCheckpoint: false });
      setTimeout(() => stop.abort(), 50);
      await assert.rejects(waiting, code('cancelled'));
      await session.close();
      const senders = "select count(*) from pg_stat_activity where backend_type = 'walsender'";
      for (let left = 100; (await cluster.sql(senders)) !== '0'; left--) assert.ok(left > 0);
    });
  });
}
