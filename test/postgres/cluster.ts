import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { asServerAccount, binFolder, type Server, serverAccount } from './programs.ts';

/** Real clusters, each in a folder and on a port of its own. */

export interface ClusterOptions {
  readonly server?: Server;
  /** Arguments of initdb, such as `--data-checksums` or `--wal-segsize=1`. */
  readonly initdb?: readonly string[];
  /** Lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** A copy of this data directory instead of initdb's. */
  readonly data?: string;
}

export interface Cluster {
  /** Holds everything of the cluster: `data`, the socket, the log. Owned by the servers' account. */
  readonly folder: string;
  readonly data: string;
  readonly port: number;
  readonly bin: string;
  /** Superuser by the socket: `postgresql:///postgres?host=…&port=…&user=…`. */
  readonly url: string;
  /** The same of another database, user, or by TCP (`host: '127.0.0.1'`). */
  urlOf(more: { database?: string; user?: string; password?: string; host?: string }): string;
  start(): Promise<void>;
  /** `immediate` is a crash. */
  stop(mode?: 'fast' | 'immediate' | 'smart'): Promise<void>;
  /** Runs SQL as the superuser and returns what psql prints, unaligned, without headers. */
  sql(query: string, database?: string): Promise<string>;
  /** Runs one of the server's programs as the server's account, with PGHOST and PGPORT set; must succeed. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  /** What the server has written to its log. */
  log(): string;
  /** Stops the server and deletes everything. */
  destroy(): Promise<void>;
}

export const superuser = process.getuid?.() === 0 ? serverAccount : userInfo().username;

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A folder that the servers' account owns; the caller deletes it. */
export function serverFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-postgres-'));
  const { uid, gid } = asServerAccount();
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
  return folder;
}

/** Runs a program as the servers' account to its end; throws with its output where it fails. */
export async function runAsServer(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<string> {
  const child = spawn(program, args, {
    ...asServerAccount(),
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C', HOME: '/nonexistent', ...env },
  });
  child.stdin.on('error', () => undefined); // a program that ends before it has read everything
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  assert.equal(status, 0, `${program} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Settings of a server whose data will be thrown away: nothing waits for the disk. */
const fastSettings = {
  fsync: 'off',
  synchronous_commit: 'on',
  max_wal_senders: 10,
  max_replication_slots: 10,
  wal_level: 'replica',
  shared_buffers: '32MB',
  max_connections: 60,
  autovacuum: 'off',
  log_min_messages: 'info',
};

/** Makes a cluster; it is not started. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const bin = binFolder(options.server ?? 'debian');
  assert.ok(bin, `the ${options.server ?? 'debian'} PostgreSQL server is not installed`);
  const folder = serverFolder();
  const data = options.data ?? join(folder, 'data');
  const logFile = join(folder, 'log');
  const port = await freePort();
  if (options.data === undefined) {
    const args = ['-D', data, '-U', superuser, '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N'];
    await runAsServer(join(bin, 'initdb'), [...args, ...(options.initdb ?? [])]);
  }
  const settings = {
    ...fastSettings,
    port,
    unix_socket_directories: `'${folder}'`,
    listen_addresses: `'127.0.0.1'`,
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const file = join(data, 'postgresql.conf');
  writeFileSync(file, `${readFileSync(file, 'utf8')}\n${lines.join('\n')}\n`);

  const env = { PGHOST: folder, PGPORT: String(port), PGUSER: superuser, PGDATABASE: 'postgres' };
  const control = (...args: string[]): Promise<string> =>
    runAsServer(join(bin, 'pg_ctl'), ['-D', data, '-w', '-t', '60', ...args]);
  // The server's own package may lack the clients.
  const client = binFolder('debian') ?? bin;

  function urlOf(more: { database?: string; user?: string; password?: string; host?: string }): string {
    const user = encodeURIComponent(more.user ?? superuser);
    const secret = more.password === undefined ? '' : `:${encodeURIComponent(more.password)}`;
    const database = encodeURIComponent(more.database ?? 'postgres');
    return more.host
      ? `postgresql://${user}${secret}@${more.host}:${port}/${database}`
      : `postgresql://${user}${secret}@/${database}?host=${encodeURIComponent(folder)}&port=${port}`;
  }

  return {
    folder,
    data,
    port,
    bin,
    url: urlOf({}),
    urlOf,
    async start() {
      try {
        await control('-l', logFile, 'start');
      } catch (error) {
        const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-2000) : '';
        throw new Error(`the server does not start:\n${log}`, { cause: error });
      }
    },
    async stop(mode = 'fast') {
      await control('-m', mode, 'stop');
    },
    async sql(query, database = 'postgres') {
      const args = ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database, '-f', '-'];
      return (await runAsServer(join(client, 'psql'), args, env, query)).trimEnd();
    },
    run: (program, args, more = {}) => runAsServer(join(client, program), args, { ...env, ...more }),
    log: () => readFileSync(logFile, 'utf8'),
    async destroy() {
      // It may have been stopped, or never started: then there is nothing to stop.
      spawnSync(join(bin, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-w', 'stop'], {
        ...asServerAccount(),
        cwd: '/',
      });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
