import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../src/core/errors.ts';
import { handOver } from '../../src/engine/journal/push/client.ts';
import { startPushService } from '../../src/engine/journal/push/service.ts';
import { type ArchiveStore, createArchiveStore } from '../../src/engine/journal/push/store.ts';
import { readWholeAtOnce } from '../../src/engine/journal/push/whole-file.ts';
import type { JournalPlace } from '../../src/journal/envelope.ts';
import { loadHistory } from '../../src/journal/history.ts';
import { listJournal } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import type { WalEvent } from '../../src/model/wal-event.ts';
import { lifeboat } from '../programs.ts';
import {
  coverage,
  createJournaledCluster,
  createJournalSite,
  eventually,
  type JournalSite,
  segmentBytes,
  writeLog,
} from './journal-site.ts';
import { missingServer } from './programs.ts';
import { createWorkspace, sourceName } from './workspace.ts';

/** A data directory as far as archiving sees it, with segments that a real server wrote. */
interface Backlog {
  readonly dataDirectory: string;
  readonly names: readonly string[];
  readonly systemIdentifier: string;
  ready(name: string): void;
  done(name: string): void;
  remove(): void;
}

async function createBacklog(megabytes: number): Promise<Backlog> {
  const cluster = await createJournaledCluster({
    archive_mode: 'on',
    archive_command: `'/bin/false'`,
    wal_keep_size: `'1GB'`,
  });
  try {
    await cluster.start();
    await writeLog(cluster, megabytes);
    await cluster.sql('select pg_switch_wal()');
    await cluster.stop('immediate');
    const dataDirectory = mkdtempSync(join(tmpdir(), 'lifeboat-data-'));
    const status = join(dataDirectory, 'pg_wal', 'archive_status');
    mkdirSync(status, { recursive: true });
    mkdirSync(join(dataDirectory, 'global'));
    const control = join(dataDirectory, 'global', 'pg_control');
    copyFileSync(join(cluster.data, 'global', 'pg_control'), control);
    const names = readdirSync(join(cluster.data, 'pg_wal', 'archive_status'))
      .filter((name) => /^[0-9A-F]{24}\.ready$/.test(name))
      .map((name) => name.slice(0, 24))
      .sort();
    for (const name of names)
      copyFileSync(join(cluster.data, 'pg_wal', name), join(dataDirectory, 'pg_wal', name));
    return {
      dataDirectory,
      names,
      systemIdentifier: readFileSync(control).readBigUInt64LE().toString(),
      ready: (name) => writeFileSync(join(status, `${name}.ready`), ''),
      done: (name) => rmSync(join(status, `${name}.ready`), { force: true }),
      remove: () => rmSync(dataDirectory, { recursive: true, force: true }),
    };
  } finally {
    await cluster.destroy();
  }
}

async function siteOf(t: TestContext, count = 1): Promise<JournalSite> {
  const site = await createJournalSite(count);
  t.after(() => site.close());
  return site;
}

const storeOf = (site: JournalSite, acceptNewCluster = false): ArchiveStore =>
  createArchiveStore({ places: site.places, source: sourceName, acceptNewCluster });

describe('archived files', { skip: missingServer('debian') }, () => {
  let shared: Promise<Backlog> | undefined;
  const backlog = (): Promise<Backlog> => (shared ??= createBacklog(5));
  test.after(async () => (await shared)?.remove());

  test('are stored whole with the times of their commits; the same again changes nothing', async (t) => {
    const { dataDirectory, names, systemIdentifier } = await backlog();
    const site = await siteOf(t, 2);
    const store = storeOf(site);
    for (const name of names)
      assert.equal(await store.store(join(dataDirectory, 'pg_wal', name), false), 'stored');
    for (const place of site.places) {
      const [listed] = await listJournal(place, sourceName);
      assert.equal(listed!.stream.stream, systemIdentifier);
      assert.deepEqual(
        listed!.pieces.map(({ unit }) => unit),
        names,
      );
      const { bytes, facts } = await loadPiece(place, listed!.stream, listed!.pieces.at(-2)!);
      assert.ok(bytes.equals(readFileSync(join(dataDirectory, 'pg_wal', names.at(-2)!))));
      assert.ok(facts.firstCommitMs !== null && facts.lastCommitMs !== null);
      assert.ok(facts.lastCommitMs >= facts.firstCommitMs);
      assert.ok(Math.abs(facts.lastCommitMs - Date.now()) < 600_000);
    }
    assert.equal(await storeOf(site).store(join(dataDirectory, 'pg_wal', names[0]!), false), 'known');
    assert.equal((await coverage(site.places[0]!)).length, 1);
  });

  test('of another cluster, of another place or with other content are refused', async (t) => {
    const { dataDirectory, names } = await backlog();
    const site = await siteOf(t);
    const folder = mkdtempSync(join(tmpdir(), 'lifeboat-data-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const spoiled = (name: string, change: (bytes: Buffer) => Buffer | undefined, as = name): string => {
      const bytes = readFileSync(join(dataDirectory, 'pg_wal', name));
      const path = join(folder, as);
      writeFileSync(path, change(bytes) ?? bytes);
      return path;
    };
    const [first, second] = names as [string, string];
    const store = storeOf(site);
    await store.store(join(dataDirectory, 'pg_wal', first), false);

    const reused = spoiled(first, (bytes) => void bytes.writeUInt8(bytes[500_000]! ^ 1, 500_000));
    await assert.rejects(store.store(reused, false), { code: 'journal-conflict' });
    const foreign = spoiled(second, (bytes) => void bytes.writeBigUInt64LE(42n, 24));
    await assert.rejects(store.store(foreign, false), { code: 'wal-other-cluster' });
    assert.equal(await storeOf(site, true).store(foreign, false), 'stored');
    const cases: [() => string, RegExp][] = [
      [() => spoiled(first, (bytes) => bytes, second), /another part of the log/],
      [() => spoiled(second, (bytes) => bytes.subarray(0, 8192 * 3)), /24576 bytes/],
      [() => spoiled(second, (bytes) => bytes.fill(0, 0, 40)), /no WAL of PostgreSQL/],
      [() => spoiled(second, (bytes) => void bytes.writeUInt32LE(9, 4)), /later timeline/],
      [() => spoiled(second, (bytes) => bytes, 'core'), /no name of a file/],
    ];
    for (const [make, message] of cases)
      await assert.rejects(store.store(make(), false), { code: 'wal-file-invalid', message });
  });

  test('are let go only when no place is at them any more', async (t) => {
    const { dataDirectory, names } = await backlog();
    const [sound, failing] = (await siteOf(t, 2)).places as [JournalPlace, JournalPlace];
    const full = async (): Promise<void> => {
      throw new LifeboatError('storage-full', 'the disk is full');
    };
    const slow: JournalPlace = {
      ...sound,
      storage: {
        ...sound.storage,
        async save(key, parts) {
          await sleep(50);
          await sound.storage.save(key, parts);
        },
      },
    };
    const memory = Buffer.alloc(segmentBytes);
    const store = createArchiveStore({
      places: [slow, { ...failing, storage: { ...failing.storage, save: full } }],
      source: sourceName,
      acceptNewCluster: false,
      read: (path) => readWholeAtOnce(path, () => memory),
    });
    const path = (name: string): string => join(dataDirectory, 'pg_wal', name);
    for (const name of names.slice(0, 3)) {
      await assert.rejects(store.store(path(name), false), { code: 'storage-full' });
      memory.fill(0);
    }
    const [listed] = await listJournal(sound, sourceName);
    for (const [at, piece] of listed!.pieces.entries()) {
      const { bytes } = await loadPiece(sound, listed!.stream, piece);
      assert.ok(bytes.equals(readFileSync(path(names[at]!))));
    }
    assert.equal(listed!.pieces.length, 3);
  });

  test('of other kinds are taken for what they are', async (t) => {
    const { dataDirectory, names, systemIdentifier } = await backlog();
    const site = await siteOf(t);
    const store = storeOf(site);
    const path = (name: string): string => join(dataDirectory, 'pg_wal', name);
    writeFileSync(path(`${names[0]}.00000028.backup`), 'START WAL LOCATION: 0/2000028\n');
    assert.equal(await store.store(path(`${names[0]}.00000028.backup`), false), 'ignored');
    writeFileSync(path('00000002.history'), '1\t0/5000000\tno recovery target specified\n');
    assert.equal(await store.store(path('00000002.history'), false), 'stored');
    assert.equal(await store.store(path('00000002.history'), false), 'known');
    const stream = { source: sourceName, stream: systemIdentifier };
    assert.match((await loadHistory(site.places[0]!, stream, 2))?.toString() ?? '', /^1\t0\/5000000/);
    // A timeline was left amid its last segment: what lies behind the last record is not of it.
    const last = names.at(-1)!;
    copyFileSync(path(last), path(`${last}.partial`));
    assert.equal(await store.store(path(`${last}.partial`), false), 'stored');
    const [listed] = await listJournal(site.places[0]!, sourceName);
    assert.equal(listed!.pieces[0]!.unit, last);
    assert.ok(listed!.pieces[0]!.to <= segmentBytes);
  });

  test('that are ready are stored before anyone asks, and markers say so', async (t) => {
    const { dataDirectory, names, ready, done } = await backlog();
    const site = await siteOf(t);
    const run = join(site.folder, 'run');
    mkdirSync(run);
    const env = { LIFEBOAT_RUN_DIR: run };
    for (const name of names.slice(0, 3)) ready(name);
    t.after(() => names.forEach(done));
    const events: WalEvent[] = [];
    const configPath = '/etc/lifeboat/lifeboat.yaml';
    const start = () =>
      startPushService({
        store: storeOf(site),
        source: sourceName,
        configPath,
        dataDirectory,
        runFolder: run,
        lookAhead: true,
        filesAtOnce: 2,
        sink: (event) => events.push(event),
      });
    const markerOf = (name: string): string => join(run, 'wal', realpathSync(dataDirectory), `${name}.ok`);
    const service = await start();
    for (const name of names.slice(0, 3))
      await eventually('a marker is there', () => existsSync(markerOf(name)));
    assert.equal(readFileSync(markerOf(names[0]!), 'utf8'), `${sourceName}\n${configPath}\n`);

    // What the launcher makes of them. No runtime is found there: it fails where it would have started one.
    const launcher = join(site.folder, 'bin', 'lifeboat');
    mkdirSync(join(site.folder, 'bin'));
    copyFileSync(join(import.meta.dirname, '..', '..', 'bin', 'lifeboat'), launcher);
    chmodSync(launcher, 0o755);
    const launch = (...args: string[]): number | null =>
      spawnSync(launcher, args, { cwd: dataDirectory, env: { PATH: process.env.PATH, ...env } }).status;
    const path = `pg_wal/${names[0]}`;
    assert.equal(launch('wal', 'push', path), 0);
    assert.equal(launch('--config', configPath, 'wal', 'push', '--source', sourceName, path), 0);
    assert.equal(launch('wal', 'push', '--source=other', path), 1);
    assert.equal(launch('wal', 'push', '--config=/other.yaml', path), 1);
    assert.equal(launch('wal', 'push', '--new-cluster', path), 1);
    assert.equal(launch('wal', 'push', `pg_wal/../pg_wal/${names[0]}`), 1);
    assert.equal(launch('wal', 'push', `pg_wal/${names[3]}`), 1);
    assert.equal(launch('wal', 'push'), 1);
    // Nothing said where it is: it is found in a folder for temporary files, if that is the caller's own.
    const elsewhere = mkdtempSync(join(tmpdir(), 'lifeboat-tmp-'));
    t.after(() => rmSync(elsewhere, { recursive: true }));
    const launchThere = (): number | null =>
      spawnSync(launcher, ['wal', 'push', path], {
        cwd: dataDirectory,
        env: { PATH: process.env.PATH, TMPDIR: elsewhere },
      }).status;
    assert.equal(launchThere(), 1);
    const own = join(elsewhere, `lifeboat-${process.getuid!()}`);
    cpSync(run, own, { recursive: true, filter: (file) => !file.endsWith('.sock') });
    assert.equal(launchThere(), 0);
    renameSync(own, join(elsewhere, 'moved'));
    symlinkSync(join(elsewhere, 'moved'), own);
    assert.equal(launchThere(), 1);
    // Written to since: the marker does not speak of it.
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(dataDirectory, path), later, later);
    assert.equal(launch('wal', 'push', path), 1);

    // What is about to be stored is waited for a little; whoever serves must still run.
    const waiting = spawn(launcher, ['wal', 'push', `pg_wal/${names[3]}`], {
      cwd: dataDirectory,
      env: { PATH: process.env.PATH, ...env },
      stdio: 'ignore',
    });
    ready(names[3]!);
    assert.deepEqual(await once(waiting, 'exit'), [0, null]);
    done(names[3]!);
    const serving = join(run, 'wal', realpathSync(dataDirectory), 'serving');
    const told = readFileSync(serving, 'utf8');
    assert.equal(told, `${sourceName}\n${configPath}\n${process.pid}\n`);
    await eventually('its marker is gone', () => !existsSync(markerOf(names[3]!)));
    writeFileSync(serving, told.replace(String(process.pid), '4194305'));
    const askedAt = performance.now();
    assert.equal(launch('wal', 'push', `pg_wal/${names[3]}`), 1);
    assert.ok(performance.now() - askedAt < 500);

    done(names[0]!);
    await eventually('the marker is gone', () => !existsSync(markerOf(names[0]!)));
    await assert.rejects(start(), { code: 'wal-receiver-running' });

    const asked = (name: string, source: string | null = null): Promise<boolean> =>
      handOver(join(dataDirectory, 'pg_wal', name), { source, configPath: null }, env);
    assert.equal(await asked(names[1]!), true);
    assert.equal(await asked(names[1]!, 'other'), false);
    // PostgreSQL itself has to say that a segment is complete.
    assert.equal(await asked(names[3]!), false);
    writeFileSync(join(dataDirectory, 'pg_wal', names[3]!.replace(/.$/, 'F')), 'nonsense');
    ready(names[3]!.replace(/.$/, 'F'));
    await assert.rejects(asked(names[3]!.replace(/.$/, 'F')), { code: 'wal-file-invalid' });
    done(names[3]!.replace(/.$/, 'F'));

    await service.close();
    assert.deepEqual(readdirSync(join(run, 'wal', realpathSync(dataDirectory))), []);
    assert.equal(await asked(names[1]!), false);
    assert.ok(events.some((event) => event.kind === 'file-refused'));
  });
});

describe('archive_command', { skip: missingServer('debian') }, () => {
  test('stores with and without a resident process, also where that is killed', async (t) => {
    const cluster = await createJournaledCluster({
      archive_mode: 'on',
      archive_command: `''`,
      wal_keep_size: `'1GB'`,
    });
    t.after(() => cluster.destroy());
    await cluster.start();
    const workspace = await createWorkspace({ cluster, journal: { way: 'push' } });
    t.after(async () => workspace.destroy());
    const run = join(workspace.folder, 'run');
    const env = {
      PATH: process.env.PATH ?? '',
      LIFEBOAT_CONFIG: workspace.configPath,
      LIFEBOAT_RUN_DIR: run,
      DATABASE_URL: cluster.url,
    };
    const archiver = async (): Promise<number> =>
      Number(await cluster.sql('select archived_count from pg_stat_archiver'));

    // As root does it for the server's account, which may not read the repository: so by a resident process only.
    const resident = () => {
      const child = spawn(lifeboat().path, ['wal', 'receive', '--json'], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      return { child, said: () => said };
    };
    const first = resident();
    const assignments = `LIFEBOAT_RUN_DIR=${run} LIFEBOAT_CONFIG=${workspace.configPath}`;
    await cluster.sql(
      `alter system set archive_command = '${assignments} ${lifeboat().path} wal push %p'; select pg_reload_conf()`,
    );
    await writeLog(cluster, 4);
    await cluster.sql('select pg_switch_wal()');
    await eventually('segments are archived', async () => (await archiver()) >= 4);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    await writeLog(cluster, 2);
    const second = resident();
    const before = await archiver();
    await cluster.sql('select pg_switch_wal()');
    await eventually('more are archived', async () => (await archiver()) >= before + 2);
    await eventually('none waits', () =>
      readdirSync(join(cluster.data, 'pg_wal', 'archive_status')).every((name) => !name.endsWith('.ready')),
    );
    second.child.kill('SIGTERM');
    assert.deepEqual(await once(second.child, 'exit'), [0, null], second.said());

    // Without one, whoever may read the repository stores by itself.
    await cluster.sql(`alter system set archive_command = '/bin/false'; select pg_reload_conf()`);
    await cluster.sql(`create table last_one (n int); select pg_switch_wal()`);
    const name = await eventually('one waits', () => {
      const found = readdirSync(join(cluster.data, 'pg_wal', 'archive_status')).find((each) =>
        each.endsWith('.ready'),
      );
      return found ? found.slice(0, 24) : null;
    });
    const path = join(cluster.data, 'pg_wal', name);
    const pushed = await workspace.lifeboat(['wal', 'push', path], env);
    assert.equal(pushed.status, 0, pushed.stderr);
    assert.equal(pushed.stderr, '');
    const again = await workspace.lifeboat(['wal', 'push', path], env);
    assert.equal(again.status, 0);
    assert.match(again.stderr, /archived before, with the same content/);
    const { stdout } = await workspace.lifeboat(['wal', 'status', '--json'], env);
    const { stored } = JSON.parse(stdout) as { stored: { gaps: number; newestMs: number }[] };
    assert.equal(stored[0]!.gaps, 0);
    assert.ok(Math.abs(stored[0]!.newestMs - Date.now()) < 60_000);
  });
});
