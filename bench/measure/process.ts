import { spawn } from 'node:child_process';
import { commandSecondsMax, NotMeasured } from '../settings.ts';
import { sampleIntervalMs, watchTree } from './tree-memory.ts';

/** A program with its arguments; nothing of it is read by a shell. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whose rights it runs with; the bench's own where absent. */
  readonly account?: { readonly uid: number; readonly gid: number };
  /** Exit statuses that are no failure; default 0 only. */
  readonly statusesAllowed?: readonly number[];
}

export interface Measurement {
  /** From the start of the process to its end. */
  readonly seconds: number;
  /** Of the whole process tree; see `watchTree`. */
  readonly peakBytes: number | null;
  readonly stdout: string;
}

/** The caller's environment without what would turn a program to another repository or another behaviour. */
function neutralEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(LIFEBOAT|RESTIC|BORG|NODE|GO)(_|GC$|MAXPROCS$)/.test(name),
    ),
  );
}

const outputBytesMax = 4 * 1024 * 1024;

/** Processes that a cancelled bench must take along, each the leader of its own group. */
const running = new Set<number>();

/** Ends whatever this bench has started. */
export function stopAll(): void {
  for (const pid of running) stopGroup(pid);
}

function stopGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The line of an error's output that says most: the first that is not empty. */
function reasonIn(stderr: string, stdout: string): string {
  const lines = (stderr.trim() || stdout.trim()).split('\n').map((line) => line.trim());
  return (lines.find((line) => line !== '') ?? 'it said nothing').slice(0, 200);
}

/**
 * Runs a command to its end, with nothing on its standard input.
 * @throws NotMeasured when it cannot be started, fails, or takes longer than `commandSecondsMax`.
 */
export function measure(command: Command): Promise<Measurement> {
  const { file, args, env, cwd, account, statusesAllowed = [0] } = command;
  const name = [file.slice(file.lastIndexOf('/') + 1), args.find((argument) => !argument.startsWith('-'))]
    .filter((part) => part !== undefined)
    .join(' ');
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(file, args, {
      env: { ...neutralEnvironment(), ...env },
      cwd,
      ...account,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const { pid } = child;
    let seconds = 0;
    let stdout = '';
    let stderr = '';
    let late = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < outputBytesMax) stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < outputBytesMax) stderr += text;
    });
    const memory = pid === undefined ? null : watchTree(pid);
    const sampler = setInterval(() => memory?.sample(), sampleIntervalMs);
    const limit = setTimeout(() => {
      late = true;
      if (pid !== undefined) stopGroup(pid);
    }, commandSecondsMax * 1000);
    if (pid !== undefined) running.add(pid);
    const settle = (): void => {
      clearInterval(sampler);
      clearTimeout(limit);
      if (pid !== undefined) running.delete(pid);
    };
    child.on('error', (error) => {
      settle();
      reject(new NotMeasured(`${name} cannot be started: ${error.message}`));
    });
    child.on('exit', () => {
      seconds = (performance.now() - start) / 1000;
      settle();
    });
    child.on('close', (status, signal) => {
      if (late) reject(new NotMeasured(`${name} took longer than ${commandSecondsMax} s`));
      else if (status === null) reject(new NotMeasured(`${name} was ended by ${signal}`));
      else if (!statusesAllowed.includes(status))
        reject(new NotMeasured(`${name} failed with status ${status}: ${reasonIn(stderr, stdout)}`));
      else resolve({ seconds, peakBytes: memory?.peakBytes() ?? null, stdout });
    });
  });
}
