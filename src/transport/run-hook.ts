import { spawn } from 'node:child_process';
import process from 'node:process';
import { LifeboatError, messageOf } from '../core/errors.ts';
import type { Hook } from '../model/configuration.ts';

/** One hook: a command line for the shell, or an HTTP check that is tried until it succeeds or its time is over. */

interface HookRun {
  /** Added to this process's environment for commands. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface HookResult {
  readonly durationMs: number;
  /** End of what the command printed, or the status of the answer. */
  readonly output: string;
}

const outputBytesMax = 8192;
const killAfterMs = 5000;
const retryHttpMs = 500;

const failed = (what: string, cause?: unknown): LifeboatError =>
  new LifeboatError('hook-failed', what, cause === undefined ? {} : { cause });

/** @throws LifeboatError `hook-failed` where it fails or takes longer than its `timeoutMs`; `cancelled`. */
export async function runHook(hook: Hook, run: HookRun): Promise<HookResult> {
  if (run.signal.aborted) throw cancelled(run.signal);
  const startMs = performance.now();
  const timeout = AbortSignal.timeout(hook.timeoutMs);
  const signal = AbortSignal.any([run.signal, timeout]);
  try {
    const output =
      hook.command !== null
        ? await runCommand(hook.command, run.env, signal)
        : await check(hook.http, signal);
    return { durationMs: performance.now() - startMs, output };
  } catch (error) {
    if (run.signal.aborted) throw cancelled(run.signal);
    if (!timeout.aborted) throw error;
    const last = error instanceof LifeboatError ? `: ${error.message}` : '';
    throw failed(`it did not succeed within ${hook.timeoutMs / 1000} s${last}`, error);
  }
}

function cancelled(signal: AbortSignal): unknown {
  if (signal.reason instanceof LifeboatError) return signal.reason;
  return new LifeboatError('cancelled', 'interrupted while a hook was running', { cause: signal.reason });
}

function runCommand(line: string, env: HookRun['env'], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that what the shell has started ends with it.
    const child = spawn('sh', ['-c', line], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      detached: true,
    });
    let output = '';
    const take = (piece: Buffer): void => {
      output = (output + piece.toString('utf8')).slice(-outputBytesMax);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const signalGroup = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch {
        // All of its processes have ended.
      }
    };
    let killing: NodeJS.Timeout | undefined;
    const stop = (): void => {
      signalGroup('SIGTERM');
      killing = setTimeout(() => signalGroup('SIGKILL'), killAfterMs);
    };
    signal.addEventListener('abort', stop, { once: true });
    child.on('error', (error) => reject(failed(`the shell cannot be run: ${messageOf(error)}`, error)));
    child.on('close', (status, killedBy) => {
      clearTimeout(killing);
      signal.removeEventListener('abort', stop);
      if (status === 0 && !signal.aborted) return resolve(output.trimEnd());
      const said = output.trim() === '' ? '' : `: ${output.trim()}`;
      reject(
        failed((killedBy ? `it was ended by ${killedBy}` : `it ended with exit status ${status}`) + said),
      );
    });
  });
}

async function check(url: string | null, signal: AbortSignal): Promise<string> {
  if (url === null || !URL.canParse(url)) throw failed('it has neither a command nor a valid URL');
  for (;;) {
    const problem = await ask(url, signal);
    if (typeof problem === 'number') return `status ${problem}`;
    await pause(retryHttpMs, signal);
    if (signal.aborted) throw problem;
  }
}

/** The status where it is below 400, else what went wrong. */
async function ask(url: string, signal: AbortSignal): Promise<number | LifeboatError> {
  try {
    const answer = await fetch(url, { signal, redirect: 'follow' });
    await answer.body?.cancel();
    return answer.status < 400 ? answer.status : failed(`the answer was status ${answer.status}`);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return failed(`no answer: ${messageOf(cause)}`, error);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
