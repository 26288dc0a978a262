import { errnoOf } from '../core/errors.ts';
import { brokenPipe, run } from './run.ts';

const interruptedStatus = 130;

/** Runs this process's command line and ends the process with its exit status. */
export async function runProcess(args: readonly string[]): Promise<never> {
  const abort = new AbortController();

  const interrupt = (): void => {
    // The second Ctrl-C is from someone who does not want to wait for a clean end.
    if (abort.signal.aborted) process.exit(interruptedStatus);
    abort.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  // restic's `unlock` asks with SIGHUP whether the owner of a lock still lives; dying of it would be a no.
  process.on('SIGHUP', () => undefined);

  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (errnoOf(error) !== 'EPIPE') throw error;
      abort.abort(brokenPipe);
    });
  }

  const { stdin, stdout, stderr, env } = process;
  const status = await run(args, { stdin, stdout, stderr, env, signal: abort.signal });
  process.exit(status);
}
