import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, freePort, superuser } from './cluster.ts';
import { asServerAccount } from './programs.ts';

/** PgBouncer in front of a cluster, on a port of 127.0.0.1. */
export interface Pooler {
  /** Superuser of a database by way of the pooler. */
  urlOf(database: string): string;
  /** Whether it still runs. */
  isRunning(): boolean;
  destroy(): Promise<void>;
}

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'].find((path) =>
  existsSync(path),
);

/** Why tests of it cannot run here, or false: for `{ skip }`. */
export const missingPooler: string | false = program === undefined && 'needs pgbouncer';

const startMsMax = 10_000;

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // not yet
  } finally {
    socket.destroy();
  }
}

/** @param mode when a connection to the server goes to another client. */
export async function startPooler(
  cluster: Cluster,
  mode: 'session' | 'transaction' | 'statement',
): Promise<Pooler> {
  const folder = mkdtempSync(join(cluster.folder, 'pooler-'));
  const port = await freePort();
  const settings = join(folder, 'pgbouncer.ini');
  writeFileSync(
    settings,
    `[databases]
* = host=${cluster.folder} port=${cluster.port} user=${superuser}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
`,
    { mode: 0o644 },
  );
  const account = asServerAccount();
  if (account.uid !== undefined) {
    for (const path of [folder, settings]) chownSync(path, account.uid, account.gid);
  }
  const child = spawn(program!, [settings], { ...account, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
  const said = text(child.stderr);
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  for (const deadline = Date.now() + startMsMax; !(await answers(port)); await sleep(20)) {
    if (!isRunning() || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`pgbouncer does not start:\n${await said}`);
    }
  }
  return {
    urlOf: (database) => `postgresql://${superuser}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    isRunning,
    async destroy() {
      if (isRunning()) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
