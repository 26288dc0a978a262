import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, lifeboat } from '../programs.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

/** A cluster whose log was received beside a backup, for tests that then damage what is stored. */

export interface TrustSite {
  readonly cluster: Cluster;
  readonly workspace: Workspace;
  /** Facts of the rows that were committed one after the other behind the backup: `insert into t values (n)`. */
  readonly commits: readonly Commit[];
  /** Puts the repository back as it was when all had been received. */
  reset(): void;
  /** Restores into an empty folder; the server is not started unless the arguments say so. */
  restore(target: string, ...args: string[]): Promise<Ended>;
  folder(name: string): string;
  destroy(): Promise<void>;
}

export interface Commit {
  readonly n: number;
  readonly xid: string;
  /** Behind its commit record. */
  readonly lsn: string;
  /** After it, before the next. */
  readonly time: string;
}

/** Starts `lifeboat` with a workspace's configuration; it runs until it is ended. */
export function startIn(
  workspace: Workspace,
  cluster: Cluster,
  args: readonly string[],
): { process: ChildProcess; output(): string } {
  const child = spawn(lifeboat().path, args, {
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      LIFEBOAT_CONFIG: workspace.configPath,
      DATABASE_URL: cluster.url,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text));
  return { process: child, output: () => output };
}

export async function endProcess(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'close');
  child.kill(signal);
  await ended;
}

const rows = 12;

export async function createTrustSite(): Promise<TrustSite> {
  await using clearing = new AsyncDisposableStack();
  const cluster = await createCluster({ initdb: ['--data-checksums', '--wal-segsize=1'] });
  clearing.defer(() => cluster.destroy());
  await cluster.start();
  await cluster.sql(`create table t (n int); insert into t values (0);
    create table ballast as select n, repeat(md5(n::text), 20) as text from generate_series(1, 20000) as n; checkpoint`);
  const workspace = await createWorkspace({ cluster, journal: { 'max-lag': '1s' } });
  clearing.defer(() => workspace.destroy());

  const receiver = startIn(workspace, cluster, ['wal', 'receive']);
  clearing.defer(() => endProcess(receiver.process, 'SIGKILL'));
  const backup = await workspace.lifeboat(['backup', '--source', sourceName]);
  assert.equal(backup.status, 0, backup.stdout + backup.stderr + receiver.output());

  const commits: Commit[] = [];
  for (let n = 1; n <= rows; n++) {
    const xid = await cluster.sql(`insert into t values (${n}) returning pg_current_xact_id()`);
    const lsn = await cluster.sql('select pg_current_wal_insert_lsn()');
    // More than a segment lies between two of them.
    await cluster.sql(
      `select pg_sleep(0.02); select pg_logical_emit_message(false, 'ballast', repeat('x', 700000)); select pg_switch_wal()`,
    );
    const time = await cluster.sql('select clock_timestamp()');
    await cluster.sql('select pg_sleep(0.02)');
    commits.push({ n, xid, lsn, time });
  }
  await cluster.sql('insert into t values (1000)');
  const end = await cluster.sql('select pg_current_wal_flush_lsn()');
  const giveUp = Date.now() + 30_000;
  const shipped = `select count(*) from pg_stat_replication where flush_lsn >= '${end}'`;
  while ((await cluster.sql(shipped)) === '0') {
    assert.ok(Date.now() < giveUp, `not stored up to ${end}\n${receiver.output()}`);
    await sleep(50);
  }
  await endProcess(receiver.process, 'SIGTERM');
  await cluster.stop();
  const kept = `${workspace.repository}-kept`;
  cpSync(workspace.repository, kept, { recursive: true, preserveTimestamps: true });
  const stays = clearing.move();
  return {
    cluster,
    workspace,
    commits,
    folder: (name) => join(cluster.folder, name),
    reset() {
      rmSync(workspace.repository, { recursive: true });
      cpSync(kept, workspace.repository, { recursive: true, preserveTimestamps: true });
    },
    restore: (target, ...args) =>
      workspace.lifeboat(['restore', sourceName, '--target', target, '--yes', ...args]),
    destroy: () => stays.disposeAsync(),
  };
}

/** Objects of the journal in a repository's folder that hold log, in the order of the log. */
export function storedPieces(repository: string): string[] {
  const journal = join(repository, 'lifeboat', 'journal');
  return readdirSync(journal, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\/[0-9A-F]{24}-[0-9a-f]{8}-[0-9a-f]{8}\.[0-9a-f]+$/.test(path))
    .sort()
    .map((path) => join(journal, path));
}

/** The numbers of `t` in a data directory, read by a server of the test. */
export async function numbersIn(data: string): Promise<string> {
  const cluster = await createCluster({ data });
  try {
    await cluster.start();
    const giveUp = Date.now() + 60_000;
    while ((await cluster.sql('select pg_is_in_recovery()')) === 't') {
      assert.ok(Date.now() < giveUp, cluster.log());
      await sleep(50);
    }
    return await cluster.sql(`select string_agg(n::text, ',' order by n) from t`);
  } finally {
    await cluster.destroy();
    rmSync(data, { recursive: true, force: true });
  }
}

/** Whether a server runs on a data directory. */
export function isServed(data: string): boolean {
  return existsSync(join(data, 'postmaster.pid'));
}
