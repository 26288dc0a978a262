import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../measure/process.ts';
import { freshFolder, NotMeasured, type Settings } from '../settings.ts';
import { canInstall, install } from './install.ts';

/** PostgreSQL's own programs, and servers that listen on a socket in a folder of their own, and on no port unless asked. */

const versionsFolder = '/usr/lib/postgresql';

/** The folder of the newest PostgreSQL's server programs. @throws NotMeasured. */
export function serverPrograms(): string {
  const newest = (): string | undefined =>
    existsSync(versionsFolder)
      ? readdirSync(versionsFolder)
          .filter((version) => existsSync(join(versionsFolder, version, 'bin', 'initdb')))
          .sort((a, b) => Number(a) - Number(b))
          .at(-1)
      : undefined;
  if (newest() === undefined && canInstall()) install(['postgresql', 'postgresql-contrib']);
  const version = newest();
  if (version === undefined) throw new NotMeasured('PostgreSQL is not installed');
  return join(versionsFolder, version, 'bin');
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

const userName = 'postgres';
let account: Account | null | undefined;

/** initdb refuses to run as root, so root lends its rights to Debian's user; null for all others. */
export function serverAccount(): Account | null {
  if (account !== undefined) return account;
  const idOf = (flag: '-u' | '-g'): number =>
    Number(spawnSync('id', [flag, userName], { encoding: 'utf8' }).stdout || Number.NaN);
  const found = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : null;
  if (found && Number.isNaN(found.uid)) throw new NotMeasured(`there is no user ${userName}`);
  return (account = found);
}

/** The command as the servers' account. */
export function asServer(command: Command): Command {
  const owner = serverAccount();
  return { cwd: '/', ...command, ...(owner ? { account: owner } : {}) };
}

/** An empty folder of the run that the servers' account owns. @throws NotMeasured where it cannot get there. */
export function serverFolder(settings: Settings, name: string): string {
  const folder = freshFolder(settings, name);
  const owner = serverAccount();
  if (owner) {
    chownSync(folder, owner.uid, owner.gid);
    const { status } = spawnSync('test', ['-w', folder], { ...owner, cwd: '/' });
    if (status !== 0)
      throw new NotMeasured(`${userName} cannot enter ${folder}; set LIFEBOAT_BENCH_DIR to a folder it can`);
  }
  return folder;
}

/** Runs a program as the servers' account and returns what it prints. @throws NotMeasured when it fails. */
export function runAsServer(file: string, args: readonly string[], input = ''): string {
  // A server that was started keeps its parent's output open, so it must not be a pipe.
  const output = file.endsWith('/pg_ctl') ? 'ignore' : 'pipe';
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    ...serverAccount(),
    encoding: 'utf8',
    cwd: '/',
    input,
    maxBuffer: 1e9,
    stdio: ['pipe', output, output],
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  if (status !== 0) {
    const name = file.slice(file.lastIndexOf('/') + 1);
    const reason = error?.message ?? stderr?.trim().split('\n').at(-1) ?? status;
    throw new NotMeasured(`${name} failed: ${reason}`);
  }
  return stdout ?? '';
}

export interface Server {
  readonly data: string;
  /** Folder of the socket, and PGHOST. */
  readonly socket: string;
  readonly url: string;
  readonly port: string;
  readonly programs: string;
  sql(query: string): string;
  /** Runs pgbench to its end and returns what it prints. */
  pgbench(...args: string[]): string;
  /** Starts another of the server's programs, such as pgbench, beside what else happens. */
  command(program: string, ...args: string[]): Command;
  stop(mode?: 'fast' | 'immediate'): void;
}

/** Servers that run now, by process id: a cancelled bench must not leave any. */
const running = new Map<string, number>();
process.on('exit', () => {
  for (const pid of running.values()) {
    try {
      process.kill(pid, 'SIGQUIT');
    } catch {
      // It has ended by itself.
    }
  }
});

const port = '54321';

/** Starts a server on a data directory. `settings` are configuration parameters. @throws NotMeasured. */
export function startServer(data: string, settings: Readonly<Record<string, string>> = {}): Server {
  const programs = serverPrograms();
  const socket = `${data}.socket`;
  mkdirSync(socket, { recursive: true });
  const owner = serverAccount();
  if (owner) chownSync(socket, owner.uid, owner.gid);
  const quoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`;
  const all = { unix_socket_directories: socket, port, listen_addresses: '', ...settings };
  const options = Object.entries(all).map(([name, value]) => `-c ${quoted(`${name}=${value}`)}`);
  const control = (...args: string[]): string =>
    runAsServer(join(programs, 'pg_ctl'), ['-D', data, '-w', '-t', '600', ...args]);
  control('-l', `${data}.log`, '-o', options.join(' '), 'start');
  running.set(data, Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]));
  const connection = ['-h', socket, '-p', port, '-U', userName];
  return {
    data,
    socket,
    port,
    programs,
    url: `postgresql://${userName}@/postgres?host=${encodeURIComponent(socket)}&port=${port}`,
    sql(query) {
      const args = ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', '-'];
      return runAsServer(join(programs, 'psql'), [...connection, ...args], query).trimEnd();
    },
    pgbench: (...args) => runAsServer(join(programs, 'pgbench'), [...connection, ...args, 'postgres']),
    command: (program, ...args) =>
      asServer({ file: join(programs, program), args: [...connection, ...args] }),
    stop(mode = 'fast') {
      if (running.delete(data)) control('-m', mode, 'stop');
    },
  };
}

/** A program beside what is measured, such as a receiver, ended by its owner. */
export interface Beside {
  /** Why it has ended by itself, or null. */
  failure(): string | null;
  stop(): Promise<void>;
}

export function startBeside(command: Command): Beside {
  const child = spawn(command.file, command.args, {
    ...command.account,
    cwd: command.cwd ?? '/',
    env: { PATH: process.env.PATH, ...command.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let problem = '';
  let stopped = false;
  child.stderr.on('data', (bytes: Buffer) => (problem = (problem + bytes).slice(-2000)));
  const onExit = (): void => void child.kill('SIGKILL');
  process.on('exit', onExit);
  const end = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      problem += error.message;
      resolve();
    });
    child.on('close', () => {
      process.off('exit', onExit);
      resolve();
    });
  });
  return {
    failure: () =>
      !stopped && (child.exitCode !== null || child.pid === undefined)
        ? `ended with ${child.exitCode}: ${problem.trim().split('\n').at(-1)}`
        : null,
    async stop() {
      stopped = true;
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 30_000);
      await end;
      clearTimeout(hard);
    },
  };
}
