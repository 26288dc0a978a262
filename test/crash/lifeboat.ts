import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { testPassword } from '../repositories/cheap.ts';

export interface RunningProgram {
  readonly process: ChildProcess;
  /** Resolves when it has ended. */
  readonly end: Promise<ProgramEnd>;
}

export interface ProgramEnd {
  /** As a shell tells it: 128 and the signal's number where a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** A program that runs longer hangs, and is killed. */
const hangsAfterMs = 60_000;

function follow(child: ChildProcess): RunningProgram {
  const watchdog = setTimeout(() => child.kill('SIGKILL'), hangsAfterMs);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (text: Buffer) => (stdout += text));
  child.stderr!.on('data', (text: Buffer) => (stderr += text));
  const end = new Promise<ProgramEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(watchdog);
      resolve({ status: status ?? 128 + (signalNumbers[signal ?? ''] ?? 0), stdout, stderr });
    });
  });
  return { process: child, end };
}

function environment(folder: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
    LIFEBOAT_PASSWORD: testPassword,
    RESTIC_PASSWORD: testPassword,
    RESTIC_CACHE_DIR: join(folder, 'restic cache'),
    GOMAXPROCS: '2',
  };
}

const mainModule = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

/** Starts Lifeboat from its sources. `folder` is where caches go; stdin is a pipe. */
export function startLifeboat(folder: string, ...args: string[]): RunningProgram {
  const options = ['--disable-warning=ExperimentalWarning', mainModule, ...args];
  return follow(spawn(process.execPath, options, { env: environment(folder), stdio: 'pipe' }));
}

/** Starts stock restic. */
export function startRestic(folder: string, ...args: string[]): RunningProgram {
  return follow(spawn('restic', args, { env: environment(folder), stdio: 'pipe' }));
}

/** Runs Lifeboat to its end, with nothing on stdin. */
export function lifeboat(folder: string, ...args: string[]): Promise<ProgramEnd> {
  const running = startLifeboat(folder, ...args);
  running.process.stdin!.end();
  return running.end;
}

export function stockRestic(folder: string, ...args: string[]): Promise<ProgramEnd> {
  const running = startRestic(folder, ...args);
  running.process.stdin!.end();
  return running.end;
}
