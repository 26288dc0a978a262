import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
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
      if (errnoOf(error) === 'EPIPE') abort.abort(brokenPipe);
      else if (!abort.signal.aborted)
        abort.abort(
          new LifeboatError('output-failed', `the output cannot be written: ${messageOf(error)}`, {
            cause: error,
          }),
        );
    });
  }

  const { stdin, stdout, stderr, env } = process;
  const status = await run(args, { stdin, stdout, stderr, env, signal: abort.signal });
  // The last of the output may fail when the command itself is through.
  const { reason } = abort.signal;
  if (status === 0 && reason instanceof LifeboatError) {
    stderr.write(`Fatal: ${reason.message}\n  hint: ${reason.hint}\n`);
    process.exit(reason.exitStatus);
  }
  process.exit(status);
}
