import { hasCode } from '../core/errors.ts';
import type { CheckEvents, CheckReport } from '../engine/check/report.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { withSessionLock } from './session.ts';

type Context = Pick<CommandContext, 'global' | 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>;
type Check = (signal: AbortSignal, events: CheckEvents) => Promise<CheckReport>;

/**
 * Runs a check under an exclusive lock, beginning while the lock settles. Until it has, nothing is told: if
 * another process is in the way, what was found may be its work under way and not damage.
 */
export async function checkUnderLock(
  context: Context,
  repository: Repository,
  events: CheckEvents,
  check: Check,
): Promise<CheckReport> {
  try {
    return await withSessionLock(
      context,
      repository,
      'exclusive',
      (signal, { settled }) => checkEarly(signal, settled, events, check),
      true,
    );
  } catch (error) {
    if (!hasCode(error, 'lock-raced')) throw error;
    return withSessionLock(context, repository, 'exclusive', (signal) => check(signal, events));
  }
}

async function checkEarly(
  signal: AbortSignal,
  settled: Promise<void>,
  events: CheckEvents,
  check: Check,
): Promise<CheckReport> {
  const refused = new AbortController();
  const held = holdBack(events);
  const running = check(AbortSignal.any([signal, refused.signal]), held.events);
  // Awaited below; a failure before the lock has settled must not end the process.
  running.catch(() => undefined);
  try {
    await settled;
  } catch (error) {
    refused.abort(error);
    await running.catch(() => undefined); // it was told to stop, and why is thrown here
    throw error;
  }
  held.release();
  return running;
}

/** Keeps what is told until it counts. */
function holdBack(events: CheckEvents): { readonly events: CheckEvents; release(): void } {
  let waiting: (() => void)[] | null = [];
  const tell = (telling: () => void): void => {
    if (waiting) waiting.push(telling);
    else telling();
  };
  return {
    events: {
      stage: (stage) => tell(() => events.stage?.(stage)),
      problem: (problem) => tell(() => events.problem(problem)),
      note: (note) => tell(() => events.note?.(note)),
      watch: (sample) => tell(() => events.watch?.(sample)),
    },
    release() {
      const told = waiting ?? [];
      waiting = null;
      for (const telling of told) telling();
    },
  };
}
