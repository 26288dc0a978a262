import { spawn } from 'node:child_process';
import { LifeboatError, messageOf } from '../core/errors.ts';

export interface ChildStream {
  /** Standard output. It also ends where the program fails or could not be run: ask `completed`. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the program ended with status 0. @throws LifeboatError `source-unreadable` otherwise. */
  completed(): Promise<void>;
  /** Ends the program where it still runs: nobody will read on. */
  close(): void;
}

/**
 * Starts a program whose standard output is the data. Its standard error is passed through: what it says
 * there is for the user. Arguments are not repeated in errors, as they may hold secrets.
 */
export function startChild(command: readonly string[], signal: AbortSignal): ChildStream {
  const [program, ...args] = command as [string, ...string[]];
  const failed = (what: string, hint: string, cause?: unknown): LifeboatError =>
    new LifeboatError('source-unreadable', `${what}; no snapshot was made`, { hint, cause });
  const cannotRun = (error: unknown): LifeboatError =>
    failed(
      `cannot run ${program}: ${messageOf(error)}`,
      'check that the program is installed and may be run',
      error,
    );

  const start = () => {
    try {
      return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
    } catch (error) {
      throw cannotRun(error); // such as an empty name, which is not even tried
    }
  };
  const child = start();
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(cannotRun(error)));
    child.on('close', (status, killedBy) => {
      if (status === 0) return resolve();
      const how = killedBy ? `was ended by ${killedBy}` : `ended with exit status ${status}`;
      reject(
        failed(
          `${program} ${how}, so its output is incomplete`,
          'run the command by itself to see why it fails, then run the backup again',
        ),
      );
    });
  });
  // The failure is reported where `completed` is awaited; until then it must not count as unhandled.
  ended.catch(() => undefined);

  return {
    bytes: child.stdout,
    completed: () => ended,
    close() {
      if (child.exitCode === null && child.signalCode === null) child.kill();
      child.stdout.destroy();
    },
  };
}
