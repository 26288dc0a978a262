import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, freePort, runAsServer, serverFolder } from './cluster.ts';
import { asServerAccount, binFolder, missingServer, serverAccount } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

/** A cluster as Debian's tools make them: its configuration lies in /etc, its data in /var/lib. */

const isRoot = process.getuid?.() === 0;
const missing =
  missingServer('debian') ||
  (!isRoot && 'needs root') ||
  (!existsSync('/usr/bin/pg_createcluster') && 'needs postgresql-common');

describe('a cluster of Debian', { skip: missing }, () => {
  const name = `lifeboat${process.pid}`;
  const bin = binFolder('debian') ?? '';
  const version = /postgresql\/(\d+)\//.exec(bin)?.[1] ?? '';
  const configuration = join('/etc/postgresql', version, name);
  const data = join('/var/lib/postgresql', version, name);
  let folder: string;
  let port: number;
  let workspace: Workspace;
  let before2: string;

  const debian = (...args: string[]): void => {
    const { status, stderr } = spawnSync(`/usr/bin/${args[0]}`, args.slice(1), { encoding: 'utf8' });
    assert.equal(status, 0, `${args.join(' ')}\n${stderr}`);
  };
  const sqlAt = async (host: string, at: number, query: string): Promise<string> => {
    const psql = [
      '-X',
      '-A',
      '-t',
      '-q',
      '-h',
      host,
      '-p',
      String(at),
      '-U',
      serverAccount,
      '-d',
      'postgres',
      '-c',
      query,
    ];
    return (await runAsServer(join(bin, 'psql'), psql)).trim();
  };
  const sql = (query: string): Promise<string> => sqlAt(folder, port, query);
  const restore = (...args: string[]) =>
    workspace.lifeboat(['restore', sourceName, '--to', before2, '--yes', ...args]);

  before(async () => {
    folder = serverFolder();
    port = await freePort();
    const socket = ['--socketdir', folder];
    debian('pg_createcluster', '--port', String(port), ...socket, version, name, '--', '-A', 'trust', '-N');
    appendFileSync(
      join(configuration, 'postgresql.conf'),
      "fsync = off\nssl = off\nshared_buffers = '32MB'\nlogging_collector = off\n",
    );
    writeFileSync(join(configuration, 'conf.d', 'mine.conf'), "work_mem = '5MB'\n");
    debian('pg_ctlcluster', version, name, 'start');
    const url = `postgresql:///postgres?host=${folder}&port=${port}&user=${serverAccount}`;
    workspace = await createWorkspace({ cluster: { url } as Cluster, journal: { 'max-lag': '200ms' } });
    const receiver = workspace.start(['wal', 'receive']);
    await sql('create table t (n int); insert into t values (1)');
    const made = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(made.status, 0, made.stderr);
    assert.doesNotMatch(made.stderr, /configuration/);
    await sql('insert into t values (2)');
    before2 = await sql('select clock_timestamp()');
    await sleep(20);
    await sql('delete from t');
    await sql('select pg_switch_wal()');
    const wanted = await sql('select pg_current_wal_flush_lsn()');
    for (;;) {
      const { stdout } = await workspace.lifeboat(['windows', sourceName, '--json']);
      if (stdout.includes(`"endLsn":"${wanted}"`)) break;
      await sleep(50);
    }
    receiver.kill('SIGTERM');
  });
  after(() => {
    workspace?.destroy();
    spawnSync('/usr/bin/pg_dropcluster', ['--stop', version, name]);
    // Where a test has failed half-way, Debian's tools no longer know it.
    spawnSync(join(bin, 'pg_ctl'), ['-D', data, '-m', 'immediate', 'stop'], {
      ...asServerAccount(),
      cwd: '/',
    });
    for (const path of [
      folder,
      data,
      configuration,
      join('/etc', `${name}.aside`),
      join('/etc', `${name}.away`),
    ])
      rmSync(path, { recursive: true, force: true });
    rmSync(join('/var/log/postgresql', `postgresql-${version}-${name}.log`), { force: true });
  });

  function wipe(): void {
    debian('pg_ctlcluster', version, name, 'stop', '-m', 'fast');
    for (const each of readdirSync(data)) rmSync(join(data, each), { recursive: true });
  }

  test('comes back in place after all of its data was deleted, started through its own configuration', async () => {
    const conf = readFileSync(join(configuration, 'postgresql.conf'), 'utf8');
    wipe();
    appendFileSync(join(configuration, 'conf.d', 'mine.conf'), '# changed\n');
    const done = await restore();
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stdout, /configuration here stays as it is.*mine\.conf/);
    assert.equal(await sql("select string_agg(n::text, ',' order by n) from t"), '1,2');
    assert.equal(await sql('show config_file'), join(configuration, 'postgresql.conf'));
    assert.equal(await sql('show work_mem'), '5MB');
    assert.equal(readFileSync(join(configuration, 'postgresql.conf'), 'utf8'), conf);
    debian('pg_ctlcluster', version, name, 'status');
  });

  test('gets its configuration back where that is gone, too', async () => {
    wipe();
    const aside = join('/etc', `${name}.aside`);
    const owner = statSync(join(configuration, 'pg_hba.conf'));
    renameSync(configuration, aside);
    const hba = readFileSync(join(aside, 'pg_hba.conf'));
    const planned = await restore('--dry-run');
    assert.match(
      planned.stdout,
      /^Config +gone from where it was; put back from the backup\n +\/etc\/postgresql\/.*\.conf$/m,
    );
    assert.equal(existsSync(configuration), false);
    const done = await restore();
    assert.equal(done.status, 0, done.stderr);
    assert.equal(await sql("select string_agg(n::text, ',' order by n) from t"), '1,2');
    assert.equal(await sql('show work_mem'), '5MB');
    assert.ok(readFileSync(join(configuration, 'pg_hba.conf')).equals(hba));
    const { uid, mode } = statSync(join(configuration, 'pg_hba.conf'));
    assert.deepEqual([uid, mode], [owner.uid, owner.mode]);
    assert.deepEqual(readdirSync(configuration).sort(), readdirSync(aside).sort());
    debian('pg_ctlcluster', version, name, 'restart', '-m', 'fast');
    rmSync(aside, { recursive: true });
  });

  test('runs as a copy elsewhere by its side, and from the backup’s configuration where that is gone', async () => {
    for (const gone of [false, true]) {
      const target = join(folder, `copy-${gone}`);
      const away = join('/etc', `${name}.away`);
      if (gone) renameSync(configuration, away);
      try {
        const done = await restore('--target', target);
        assert.equal(done.status, 0, done.stderr);
        const at = Number(/connections at .* port (\d+)/.exec(done.stdout)?.[1]);
        assert.notEqual(at, port);
        assert.match(done.stdout, new RegExp(`the copy gets port ${at}`));
        assert.equal(await sqlAt(folder, at, "select string_agg(n::text, ',' order by n) from t"), '1,2');
        assert.equal(await sqlAt(folder, at, 'show work_mem'), '5MB');
        assert.equal(await sqlAt(folder, at, 'show archive_mode'), 'off');
        assert.equal(existsSync(configuration), !gone);
        const file = gone ? join(target, 'postgresql.conf') : join(configuration, 'postgresql.conf');
        assert.equal(await sqlAt(folder, at, 'show config_file'), file);
        if (!gone) continue;
        // Its configuration is all its own.
        await runAsServer(join(bin, 'pg_ctl'), ['-D', target, '-w', '-l', join(target, 'log'), 'restart']);
        assert.equal(await sqlAt(folder, at, 'show work_mem'), '5MB');
      } finally {
        if (gone) renameSync(away, configuration);
        spawnSync(join(bin, 'pg_ctl'), ['-D', target, '-m', 'immediate', 'stop'], {
          ...asServerAccount(),
          cwd: '/',
        });
      }
    }
  });

  test('has a socket where its account may make one, and a port that nobody has', async () => {
    const target = join(folder, 'private');
    const locked = join(folder, 'locked');
    mkdirSync(locked, { mode: 0o700 });
    chownSync(locked, 0, 0);
    const file = join(configuration, 'conf.d', 'mine.conf');
    const other = createServer().listen(await freePort(), '127.0.0.1');
    await once(other, 'listening');
    const { port: taken } = other.address() as { port: number };
    debian('pg_ctlcluster', version, name, 'stop', '-m', 'fast');
    const before = readFileSync(file);
    appendFileSync(file, `unix_socket_directories = '${locked}'\nport = ${taken}\n`);
    try {
      const done = await restore('--target', target);
      assert.equal(done.status, 0, done.stderr);
      const at = Number(/connections at .* port (\d+)/.exec(done.stdout)?.[1]);
      assert.match(done.stdout, new RegExp(`it has port ${at}, as port ${taken} is taken`));
      assert.match(done.stdout, new RegExp(`its socket is in ${target}, as it cannot be made in ${locked}`));
      assert.equal(await sqlAt(target, at, 'select count(*) from t'), '2');
      assert.match(
        readFileSync(join(target, 'postgresql.auto.conf'), 'utf8'),
        /begin of settings of this copy/,
      );
    } finally {
      writeFileSync(file, before);
      other.close();
      spawnSync(join(bin, 'pg_ctl'), ['-D', target, '-m', 'immediate', 'stop'], {
        ...asServerAccount(),
        cwd: '/',
      });
    }
  });
});
