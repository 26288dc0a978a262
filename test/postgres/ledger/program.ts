import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lifeboat as its users have it: a configuration with one source, one repository, and processes. */

export interface Ended {
  readonly status: number;
  readonly output: string;
}

export interface Resident {
  readonly process: ChildProcess;
  output(): string;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
}

export interface Site {
  readonly folder: string;
  readonly repository: string;
  /** Writes the configuration: where the source is now. */
  point(url: string): void;
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended>;
  /** The same; it must succeed. */
  must(...args: string[]): Promise<string>;
  /** Starts a command that runs until it is ended. */
  start(...args: string[]): Resident;
}

export const sourceName = 'ledger';
const mainModule = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const hangsAfterMs = 120_000;

/** @param folder an empty one of the caller's, who deletes it. */
export function createSite(folder: string, maxLag = '1s'): Site {
  const configuration = join(folder, 'lifeboat.yaml');
  const password = join(folder, 'repository.key');
  const repository = join(folder, 'repository');
  mkdirSync(folder, { recursive: true });
  writeFileSync(password, 'a password of the tests\n', { mode: 0o600 });
  const launch = (args: readonly string[]): ChildProcess =>
    spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', mainModule, '--config', configuration, ...args],
      {
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          LC_ALL: 'C',
          NODE_COMPILE_CACHE: join(folder, 'compiled'),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: folder,
      },
    );
  const collect = (child: ChildProcess): (() => string) => {
    let output = '';
    child.stdout!.on('data', (bytes: Buffer) => (output += bytes));
    child.stderr!.on('data', (bytes: Buffer) => (output += bytes));
    return () => output;
  };
  const run = async (...args: string[]): Promise<Ended> => {
    const child = launch(args);
    const output = collect(child);
    const watchdog = setTimeout(() => child.kill('SIGKILL'), hangsAfterMs);
    const [status] = (await once(child, 'close')) as [number | null];
    clearTimeout(watchdog);
    return { status: status ?? -1, output: output() };
  };
  return {
    folder,
    repository,
    point(url) {
      const lines = [
        'version: 1',
        `repositories: { main: { path: ${repository}, password: "file:${password}" } }`,
        'sources:',
        `  ${sourceName}:`,
        '    type: postgres',
        `    url: ${JSON.stringify(url)}`,
        '    method: physical',
        `    journal: { max-lag: ${maxLag} }`,
      ];
      writeFileSync(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
    },
    run,
    async must(...args) {
      const { status, output } = await run(...args);
      assert.equal(status, 0, `lifeboat ${args.join(' ')} ended with ${status}\n${output}`);
      return output;
    },
    start(...args) {
      const child = launch(args);
      const output = collect(child);
      const end = once(child, 'close') as Promise<[number | null]>;
      return {
        process: child,
        output,
        async kill(signal) {
          child.kill(signal);
          const [status] = await end;
          return status;
        },
      };
    },
  };
}

/** Whether a folder holds a cluster. */
export const holdsCluster = (folder: string): boolean => existsSync(join(folder, 'PG_VERSION'));
