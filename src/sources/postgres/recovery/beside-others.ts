import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { errnoOf } from '../../../core/errors.ts';
import { runTool } from '../../../transport/run-tool.ts';
import type { Account } from './data-directory.ts';
import { configArguments, type ServerPlace } from './server-control.ts';

/** What a copy needs to run beside its original, or on a machine that is not its original's. */

const portMax = 65_535;

/**
 * A setting as the server would take it from all of its files, by `postgres -C`; null where it cannot be said.
 * The server must not run.
 */
export async function effectiveSetting(place: ServerPlace, name: string): Promise<string | null> {
  const { programs, dataDirectory, account } = place;
  const { status, stdout } = await runTool({
    program: programs.postgres,
    args: ['-D', dataDirectory, ...configArguments(place), '-C', name],
    cwd: '/',
    ...(account ? { account } : {}),
  });
  return status === 0 ? stdout.toString('utf8').trim() : null;
}

/** Whether anybody listens on it; addresses that this machine does not have count as free. */
async function isBound(port: number, host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.on('error', (error) => resolve(errnoOf(error) === 'EADDRINUSE'));
  server.listen({ port, host, ipv6Only: host === '::' }, () => server.close(() => resolve(false)));
  return promise;
}

/** Whether the lock of a socket (CreateSocketLockFile in miscinit.c) is that of a process that lives. */
function isSocketTaken(folder: string, port: number): boolean {
  try {
    const pid = Number.parseInt(readFileSync(join(folder, `.s.PGSQL.${port}.lock`), 'utf8'), 10);
    if (!(pid > 0)) return false;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM' || errnoOf(error) === 'EACCES';
  }
}

/** @param socketFolders where a server of that port would make its socket. */
export async function isPortTaken(port: number, socketFolders: readonly string[]): Promise<boolean> {
  if (socketFolders.some((folder) => isSocketTaken(folder, port))) return true;
  return (await isBound(port, '0.0.0.0')) || isBound(port, '::');
}

/** The first port from `first` on that nobody has; null where there is none. */
export async function freePortFrom(first: number, socketFolders: readonly string[]): Promise<number | null> {
  for (let port = first; port <= portMax; port++) if (!(await isPortTaken(port, socketFolders))) return port;
  return null;
}

/** Port of the server that runs in a data directory, of line 4 of postmaster.pid; null where it does not say. */
export function runningPort(dataDirectory: string): number | null {
  const path = join(dataDirectory, 'postmaster.pid');
  const port = existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[3]) : 0;
  return port > 0 ? port : null;
}

/** Folders that the server's account may make a socket in. */
export async function writableFolders(
  folders: readonly string[],
  account: Account | null,
): Promise<string[]> {
  const writable: string[] = [];
  for (const folder of folders) {
    // Abstract sockets have no folder.
    const may = folder.startsWith('@') || (await mayWrite(folder, account));
    if (may) writable.push(folder);
  }
  return writable;
}

async function mayWrite(folder: string, account: Account | null): Promise<boolean> {
  const { status } = await runTool({
    program: 'test',
    args: ['-d', folder, '-a', '-w', folder, '-a', '-x', folder],
    cwd: '/',
    ...(account ? { account } : {}),
  });
  return status === 0;
}
