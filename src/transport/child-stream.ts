import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { LifeboatError } from '../core/errors.ts';

export interface ChildStream {
  readonly stdout: Readable;
  /** Resolves when the program ended with status 0. @throws LifeboatError `source-unreadable` otherwise. */
  completed(): Promise<void>;
}

/**
 * Starts a program whose standard output is the data. Its standard error is passed through: what it says
 * there is for the user. Arguments are not repeated in errors, as they may hold secrets.
 */
export function startChild(command: readonly string[], signal: AbortSignal): ChildStream {
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => {
      reject(
        new LifeboatError('source-unreadable', `cannot run ${program}: ${error.message}`, { cause: error }),
      );
    });
    child.on('close', (status, killedBy) => {
      if (status === 0) return resolve();
      const how = killedBy ? `was ended by ${killedBy}` : `ended with exit status ${status}`;
      reject(
        new LifeboatError(
          'source-unreadable',
          `${program} ${how}, so its output is incomplete; no snapshot was made`,
          {
            hint: 'run the command by itself to see why it fails, then run the backup again',
          },
        ),
      );
    });
  });
  // The failure is reported where `completed` is awaited; until then it must not count as unhandled.
  ended.catch(() => undefined);
  return { stdout: child.stdout, completed: () => ended };
}
