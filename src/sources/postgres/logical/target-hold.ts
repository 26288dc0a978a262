import { createHash } from 'node:crypto';
import { LifeboatError } from '../../../core/errors.ts';
import type { SqlSession } from '../connection/session.ts';

/** Keeps two restores from working on one database: an advisory lock for as long as a session lives. */

/** First key of every such lock: `LBRS`. */
const lockClass = 0x4c425253;

/** Second key. Two databases may share one, and are then not restored at the same time: a harmless chance of 2⁻³¹. */
const lockKey = (target: string): number =>
  createHash('sha256').update(target).digest().readUInt32BE(0) & 0x7fffffff;

/** Firewalls drop what is silent for some minutes. */
const sayAnythingMs = 30_000;

export interface TargetHold {
  /** Takes the lock again where its session was lost. @throws LifeboatError where another restore has it meanwhile. */
  ensure(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

interface Holder {
  readonly target: string;
  readonly pid: number;
}

const refusal = ({ target, pid }: Holder): LifeboatError =>
  new LifeboatError(
    'database-restore-failed',
    `another restore works on the database ${target} (server process ${pid}); nothing was changed`,
    {
      hint: `wait for it, or, where its machine is gone and its connection hangs: SELECT pg_terminate_backend(${pid})`,
    },
  );

/** Locks of the server's other sessions, whichever database these are of. */
async function holderOf(session: SqlSession, targets: readonly string[]): Promise<Holder | null> {
  for (const target of targets) {
    const [row] = await session.query<{ pid: number }>(
      `select pid from pg_catalog.pg_locks
       where locktype = 'advisory' and classid = $1::bigint::oid and objid = $2::bigint::oid and objsubid = 2
         and granted and pid <> pg_catalog.pg_backend_pid()`,
      [lockClass, lockKey(target)],
    );
    if (row) return { target, pid: row.pid };
  }
  return null;
}

/** @throws LifeboatError `database-restore-failed` where a restore works on one of the databases. */
export async function refuseHeldTargets(session: SqlSession, targets: readonly string[]): Promise<void> {
  const holder = await holderOf(session, targets);
  if (holder) throw refusal(holder);
}

/**
 * Holds databases of a server, by their names, whether they are there or not. Locks count in one database, so each
 * is taken first and then looked for in all: of two that come at once at least one sees the other.
 * @param open a session that will be closed by the hold.
 * @throws LifeboatError `database-restore-failed` where another restore has one of them.
 */
export async function holdTargets(
  open: () => Promise<SqlSession>,
  targets: readonly string[],
): Promise<TargetHold> {
  async function take(): Promise<SqlSession> {
    const session = await open();
    try {
      for (const target of targets)
        await session.query('select pg_catalog.pg_try_advisory_lock($1::int, $2::int)', [
          lockClass,
          lockKey(target),
        ]);
      await refuseHeldTargets(session, targets);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }
  let session = await take();
  const timer = setInterval(() => {
    // A session that is lost is found out by `ensure`, before anything depends on it.
    session.query('select 1').catch(() => undefined);
  }, sayAnythingMs);
  timer.unref();
  return {
    async ensure() {
      const alive = await session.query('select 1').then(
        () => true,
        () => false,
      );
      if (alive) return;
      await session.close();
      session = await take();
    },
    async close() {
      clearInterval(timer);
      await session.close();
    },
  };
}
