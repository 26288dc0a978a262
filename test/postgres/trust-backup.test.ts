import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { password, succeed, systemRestic } from '../programs.ts';
import { type Cluster, createCluster, runAsServer, serverFolder } from './cluster.ts';
import { missingServer, serverAccount } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

const pageBytes = 8192;

describe('a physical backup', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let workspace: Workspace;
  before(async () => {
    cluster = await createCluster({ initdb: ['--data-checksums'] });
    await cluster.start();
    await cluster.sql(
      'create table t as select n, md5(n::text) as text from generate_series(1, 50000) as n; checkpoint',
    );
    workspace = await createWorkspace({ cluster });
  });
  after(async () => {
    workspace?.destroy();
    await cluster?.destroy();
  });

  async function backup(): Promise<string> {
    const { status, stdout, stderr } = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.ok(status === 0 || status === 3, stdout + stderr);
    return stdout + stderr;
  }

  test('restored by stock restic starts with stock pg_ctl and holds what was there', async (t) => {
    await backup();
    await cluster.sql('insert into t values (0, $$after the backup$$)');
    const folder = serverFolder();
    let isUp = false;
    const control = join(cluster.bin, 'pg_ctl');
    t.after(async () => {
      if (isUp)
        await runAsServer(control, ['-D', join(folder, sourceName, 'data'), '-m', 'immediate', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    });
    const repository = { repository: workspace.repository, password };
    await succeed(systemRestic, ['restore', 'latest', '--target', folder], repository);
    const data = join(folder, sourceName, 'data');
    // restic gives back the owner where it runs as root, but not of the folders above.
    if (process.getuid?.() === 0) execFileSync('chown', ['-R', `${serverAccount}:`, folder]);
    const port = String(cluster.port);
    const options = `-k ${folder} -p ${port} -c listen_addresses=`;
    await runAsServer(control, ['-D', data, '-w', '-l', join(folder, 'log'), '-o', options, 'start']);
    isUp = true;
    const psql = ['-h', folder, '-p', port, '-U', 'postgres', '-Atc'];
    const count = await runAsServer(join(cluster.bin, 'psql'), [...psql, 'select count(*), min(n) from t']);
    assert.equal(count.trim(), '50000|1');
    const amcheck = ['-h', folder, '-p', port, '-U', 'postgres', '--install-missing', 'postgres'];
    await runAsServer(join(cluster.bin, 'pg_amcheck'), amcheck);
  });

  test('reports a page that was damaged on disk, and is taken all the same', async () => {
    const path = await cluster.sql(`select pg_relation_filepath('t')`);
    await cluster.stop();
    const file = openSync(join(cluster.data, path), 'r+');
    const block = 17;
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, block * pageBytes + 4000);
    byte.writeUInt8(byte.readUInt8(0) ^ 0x40, 0);
    writeSync(file, byte, 0, 1, block * pageBytes + 4000);
    closeSync(file);
    await cluster.start();
    const said = await backup();
    assert.match(said, /page/i);
    assert.match(said, new RegExp(`${path.replaceAll('/', '\\/')}.*\\b${block}\\b|\\b${block}\\b.*${path}`));
    const listed = await workspace.lifeboat([
      ...['dump', '-r', 'local', 'latest', `/${sourceName}/.lifeboat/manifest.json`],
    ]);
    const manifest = JSON.parse(listed.stdout) as {
      damagedPageCount: number;
      damagedPages: readonly { path: string; block: number }[];
    };
    assert.equal(manifest.damagedPageCount, 1);
    assert.equal(manifest.damagedPages[0]?.block, block);
    assert.ok(manifest.damagedPages[0]?.path.endsWith(path));
  });
});

const secret = 'Correct-Horse-Battery-42';

/** Looks at the arguments of every process there is, until it is stopped. */
function watchArguments(): { stop(): Promise<string[]> } {
  const seen = new Set<string>();
  let isStopping = false;
  const watching = (async () => {
    while (!isStopping) {
      for (const pid of readdirSync('/proc')) {
        if (!/^\d+$/.test(pid)) continue;
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
          if (line.includes(secret)) seen.add(line);
        } catch {
          // It has ended since it was listed.
        }
      }
      await sleep(3);
    }
  })();
  return {
    async stop() {
      isStopping = true;
      await watching;
      return [...seen];
    },
  };
}

describe('a password', {
  skip: missingServer('debian') || (process.platform !== 'linux' && 'needs Linux'),
}, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await createCluster({ initdb: ['--auth-host=scram-sha-256'] });
    await cluster.start();
    await cluster.sql(
      `create role keeper superuser replication login password '${secret}'; create table t as select 1 as n`,
    );
  });
  after(() => cluster?.destroy());

  const commands: Readonly<Record<'logical' | 'physical', readonly (readonly string[])[]>> = {
    logical: [
      ['backup', '--source', sourceName],
      ['restore', sourceName, '--yes', '--database', 'postgres', '--table', 'public.t', '--drop'],
    ],
    physical: [['backup', '--source', sourceName]],
  };

  for (const method of ['logical', 'physical'] as const)
    for (const way of ['url', 'file'] as const)
      test(`given by ${way} is never an argument or printed by a ${method} backup`, async (t) => {
        const url = cluster.urlOf({
          user: 'keeper',
          host: '127.0.0.1',
          ...(way === 'url' ? { password: secret } : {}),
        });
        const source = way === 'file' ? { password: 'env:KEEPER_PASSWORD' } : {};
        const workspace = await createWorkspace({ cluster, method, url, source });
        t.after(() => workspace.destroy());
        for (const args of commands[method]) {
          const watch = watchArguments();
          const ended = await workspace.lifeboat(args, { KEEPER_PASSWORD: secret });
          assert.deepEqual(await watch.stop(), []);
          assert.equal(ended.status, 0, `${args.join(' ')}\n${ended.stdout}${ended.stderr}`);
          assert.ok(!`${ended.stdout}${ended.stderr}`.includes(secret));
        }
      });

  test('is not printed where the server refuses it or cannot be reached', async (t) => {
    const url = cluster.urlOf({ user: 'keeper', host: '127.0.0.1', password: `${secret}x` });
    for (const where of [url, url.replace(String(cluster.port), '1')]) {
      const workspace = await createWorkspace({ cluster, method: 'physical', url: where });
      t.after(() => workspace.destroy());
      for (const args of [
        ['backup', '--source', sourceName],
        ['--json', 'backup', '--source', sourceName],
        ['config', 'show'],
        ['config', 'validate'],
      ]) {
        const { stdout, stderr } = await workspace.lifeboat(args);
        assert.ok(!`${stdout}${stderr}`.includes(secret), args.join(' '));
      }
    }
  });

  test('is found by the watch, were it an argument', async () => {
    const watch = watchArguments();
    await once(spawn('sh', ['-c', 'sleep 0.2; true', secret]), 'close');
    assert.notDeepEqual(await watch.stop(), []);
  });
});
