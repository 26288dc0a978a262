import { LifeboatError } from '../../core/errors.ts';
import { formatLsn } from '../../model/wal.ts';
import type { RecoveryServer } from '../../sources/postgres/recovery/recovery-server.ts';
import { type RecoveryLog, readRecoveryLog } from '../../sources/postgres/recovery/server-log.ts';
import type { Spool } from '../../sources/postgres/recovery/spool.ts';
import type { Feed, FeedProgress } from './feed.ts';
import type { PlanInput } from './plan.ts';
import { describeTarget } from './target.ts';

/** Waiting for a server to end its recovery, and holding where it ended against where it was asked to. */

export interface ReachedPoint {
  /** Beginning of the last record replayed. */
  readonly lsn: string | null;
  /** Of the last transaction replayed, as the server says; null where none was. */
  readonly lastTransaction: string | null;
  /** What made it stop, in the server's words; null where the log had ended. */
  readonly stopped: string | null;
  readonly newTimeline: number | null;
  /** From the first record replayed to the last one; null where there was none. */
  readonly replayMs: number | null;
}

export interface Waiting {
  readonly server: RecoveryServer;
  readonly spool: Spool;
  readonly feed: Feed;
  readonly signal: AbortSignal;
  readonly progress: (progress: FeedProgress, lsn: string | null) => void;
}

const lookIntervalMs = 50;
const looksPerProgress = 4;

function failureOf(log: RecoveryLog, status: number | null): LifeboatError {
  const said = log.failure ?? `it ended with exit status ${status} and gave no reason`;
  const plain = log.targetNotReached
    ? 'the log that was given to it ended before the target was reached'
    : /could not restore file|restore_command|child process exited/.test(said)
      ? 'a part of the log could not be given to it'
      : /could not write|No space left/.test(said)
        ? 'its disk is full or cannot be written'
        : 'the server could not recover';
  return new LifeboatError('recovery-failed', `${plain}: ${said}`, {
    ...(log.targetNotReached ? { hint: '`lifeboat windows` shows the points that can be recovered' } : {}),
  });
}

/**
 * Resolves when the server has ended its recovery and takes connections.
 * @throws LifeboatError `recovery-failed` with what the server said; what kept the log from it; `cancelled`.
 */
export async function awaitRecovery({ server, spool, feed, signal, progress }: Waiting): Promise<void> {
  let broken: unknown = null;
  feed.done.catch((error: unknown) => {
    broken = error;
    spool.abort('the log could not be fetched');
  });
  for (let looks = 0; ; looks++) {
    if (signal.aborted)
      throw signal.reason instanceof LifeboatError
        ? signal.reason
        : new LifeboatError('cancelled', 'the recovery was interrupted', {
            cause: signal.reason,
            hint: 'run the same command again; files already restored are kept',
          });
    // With the log broken, whatever the server makes of the rest is not what was asked for.
    if (broken !== null) throw broken;
    if (server.hasExited()) throw failureOf(readRecoveryLog(server.log()), await server.exited);
    if (server.status() === 'ready') return;
    if (looks % looksPerProgress === 0) {
      const lsn = readRecoveryLog(server.log()).progress;
      progress(feed.progress(), lsn === null ? null : formatLsn(lsn));
    }
    await new Promise((resolve) => setTimeout(resolve, lookIntervalMs));
  }
}

/** Log times have microseconds; facts are numbers of milliseconds with a fraction. */
const clockSlackMs = 1;

function parseLogTime(text: string): number {
  return Date.parse(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
}

const missed = (why: string): LifeboatError =>
  new LifeboatError('recovery-failed', `the recovery did not end where it was asked to: ${why}`, {
    hint: 'the cluster was stopped and left so that it cannot start; lifeboat-recovery.log in it has the details',
  });

/** @throws LifeboatError `recovery-failed` where the recovery ended elsewhere. */
export async function verifyReached(
  {
    input,
    log: text,
    untaken,
  }: { readonly input: PlanInput; readonly log: string; readonly untaken: readonly string[] },
  lastCommitMs: () => Promise<number | null>,
): Promise<ReachedPoint> {
  const log = readRecoveryLog(text);
  const { request, choice } = input;
  const reached: ReachedPoint = {
    lsn: log.redoDone === null ? null : formatLsn(log.redoDone),
    lastTransaction: log.lastTransaction,
    stopped: log.stopped,
    newTimeline: log.newTimeline,
    replayMs: log.replayMs,
  };
  if (choice.ends === 'target') {
    if (log.stopped !== null) return reached;
    throw missed(`the server says nothing of having stopped at ${describeTarget(request.target)}`);
  }
  if (untaken.length > 0)
    throw missed(
      `it ended at ${reached.lsn ?? 'its beginning'}, before the log from ${untaken[0]} on was read`,
    );
  const expectedMs = await lastCommitMs();
  if (expectedMs === null) return reached;
  const lastMs = log.lastTransaction === null ? Number.NaN : parseLogTime(log.lastTransaction);
  if (lastMs >= expectedMs - clockSlackMs) return reached;
  throw missed(
    `the last transaction replayed is of ${log.lastTransaction ?? 'before the backup'}, but the log has one of ${new Date(expectedMs).toISOString()}`,
  );
}
