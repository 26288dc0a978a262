import { spawn } from 'node:child_process';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { Account } from './data-directory.ts';
import type { ServerPrograms } from './programs.ts';

/**
 * A server that recovers by itself: nobody but its account can connect, by a socket in a private folder, until what
 * it recovered was looked at. It says on its standard error, in English, how far it got.
 */
export interface RecoveryServer {
  /** What it has said so far. */
  log(): string;
  /** Status of postmaster.pid: `starting`, `stopping`, `ready`, `standby`; null where there is none yet. */
  status(): string | null;
  /** Resolves when it has ended, with its exit status. */
  readonly exited: Promise<number | null>;
  readonly hasExited: () => boolean;
  /** Folder of its socket, and its port. */
  readonly socket: { readonly folder: string; readonly port: number };
  /** Ends it and waits: `fast` leaves a cluster that was shut down, `immediate` one that crashed. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  /** Removes its private folder. */
  cleanUp(): void;
}

export interface RecoveryServerOptions {
  readonly dataDirectory: string;
  readonly programs: ServerPrograms;
  /** null: this process's own. */
  readonly account: Account | null;
  /** null: the one in the data directory. */
  readonly configFile: string | null;
  /** More settings, such as those of a small scratch server. */
  readonly settings?: Readonly<Record<string, string>>;
}

const signals = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const socketPort = 5432;
const killAfterMs = 60_000;

/** Line 8 of postmaster.pid (miscadmin.h, LOCK_FILE_LINE_PM_STATUS). */
function pidFileStatus(dataDirectory: string): string | null {
  try {
    const lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
    return lines[7]?.trim() || null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Whether the server may have what was restored brought to disk at once instead of file by file, which takes a commit
 * of the file system for each (PostgreSQL 14, "recovery_init_sync_method"). Before 5.8 Linux did not tell of errors.
 * @param kernel as uname says, such as `6.1.0-18-amd64`.
 */
export function canSyncFilesystem(major: number, platform: NodeJS.Platform, kernel: string): boolean {
  const [first = 0, second = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major >= 14 && platform === 'linux' && (first > 5 || (first === 5 && second >= 8));
}

function privateSettings(folder: string, major: number): Record<string, string> {
  return {
    listen_addresses: '',
    unix_socket_directories: folder,
    unix_socket_permissions: '0700',
    port: String(socketPort),
    hba_file: join(folder, 'pg_hba.conf'),
    ident_file: join(folder, 'pg_ident.conf'),
    external_pid_file: '',
    logging_collector: 'off',
    log_destination: 'stderr',
    log_min_messages: 'info',
    lc_messages: 'C',
    log_timezone: 'UTC',
    timezone: 'UTC',
    datestyle: 'ISO',
    log_line_prefix: '%m [%p] ',
    ssl: 'off',
    // A copy may have fewer connections than the original had, which only readers of a standby mind.
    hot_standby: 'off',
    autovacuum: 'off',
    restart_after_crash: 'off',
    ...(major >= 15 ? { log_startup_progress_interval: '1s' } : {}),
    ...(canSyncFilesystem(major, process.platform, release()) ? { recovery_init_sync_method: 'syncfs' } : {}),
  };
}

/** @throws LifeboatError `recovery-failed` where the program cannot be run. */
export function startRecoveryServer(options: RecoveryServerOptions): RecoveryServer {
  const { dataDirectory, programs, account, configFile } = options;
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-server-'));
  if (account) chownSync(folder, account.uid, account.gid);
  const logFile = join(folder, 'log');
  const files = {
    'pg_hba.conf': 'local all all trust\nlocal replication all trust\n',
    'pg_ident.conf': '',
    log: '',
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    if (account) chownSync(join(folder, name), account.uid, account.gid);
  }
  const settings = {
    ...(configFile === null ? {} : { config_file: configFile, data_directory: dataDirectory }),
    ...privateSettings(folder, programs.major),
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(logFile, 'a');
  const child = spawn(programs.postgres, ['-D', dataDirectory, ...args], {
    cwd: '/',
    stdio: ['ignore', log, log],
    // Ctrl-C is ours to answer.
    detached: true,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: process.env.TZ, PGDATA: dataDirectory },
    ...account,
  });
  closeSync(log);
  let exited = false;
  const ended = Promise.withResolvers<number | null>();
  child.on('error', (error) => {
    exited = true;
    ended.reject(
      new LifeboatError('recovery-failed', `cannot run ${programs.postgres}: ${messageOf(error)}`, {
        cause: error,
      }),
    );
  });
  child.on('exit', (status) => {
    exited = true;
    ended.resolve(status);
  });
  ended.promise.catch(() => undefined); // told where it is awaited

  return {
    log: () => readFileSync(logFile, 'utf8'),
    status: () => (exited ? null : pidFileStatus(dataDirectory)),
    exited: ended.promise,
    hasExited: () => exited,
    socket: { folder, port: socketPort },
    async stop(mode) {
      if (!exited) child.kill(signals[mode]);
      const killer = setTimeout(() => child.kill('SIGQUIT'), killAfterMs);
      try {
        await ended.promise.catch(() => null); // a program that could not be run has ended, too
      } finally {
        clearTimeout(killer);
      }
    },
    cleanUp: () => rmSync(folder, { recursive: true, force: true }),
  };
}
