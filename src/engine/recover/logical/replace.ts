import { hasCode, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { SqlSession } from '../../../sources/postgres/connection/session.ts';
import {
  allowConnections,
  dropDatabase,
  endSessions,
  type Swap,
  swapDatabases,
} from '../../../sources/postgres/logical/database-changes.ts';
import { quoteName } from '../../../sources/postgres/logical/sql-text.ts';
import {
  listTemporaryDatabases,
  type TemporaryDatabase,
} from '../../../sources/postgres/logical/temporary-names.ts';
import { leftoverWarnings } from './attachments.ts';
import type { LogicalRestorePlan } from './request.ts';
import type { SafetyBackup } from './safety.ts';

/**
 * The old database goes in three steps: it is renamed in the transaction that gives its name to the new one, it is
 * backed up under its own name, and it is dropped. So the safety backup has all that was ever written to it; and
 * wherever the restore is cut off, either the old one is in its place or it is there beside the new one, and the next
 * restore goes on with it.
 */

/** Opens a session for some work. */
export type Maintain = <T>(work: (session: SqlSession) => Promise<T>) => Promise<T>;

interface Run {
  readonly plan: LogicalRestorePlan;
  readonly maintain: Maintain;
  readonly safety: SafetyBackup;
  readonly events: { step?(message: string): void; warning?(message: string): void };
}

/** @throws as `swapDatabases`; the old database is in its place then, and open. */
export async function replaceDatabase({ maintain, events }: Run, swap: Swap): Promise<void> {
  events.step?.(`replacing ${swap.name}`);
  try {
    await maintain((session) =>
      maintain(async (ending) => {
        await endSessions(session, swap.fresh);
        await swapDatabases(session, ending, swap);
      }),
    );
  } catch (error) {
    // Of a connection that is lost while the transaction is committed nobody hears how that ended.
    if (!hasCode(error, 'database-connection-lost')) throw error;
    const there = await maintain(listTemporaryDatabases);
    if (!there.some(({ name }) => name === swap.aside)) throw error;
  }
}

/** How one goes back to the database that was put aside. */
const undo = (target: string, aside: string): string =>
  `ALTER DATABASE ${quoteName(target)} RENAME TO ${quoteName(`${target}_restored`)}; ALTER DATABASE ${quoteName(aside)} RENAME TO ${quoteName(target)}`;

/**
 * Backs up what was replaced, where the plan says so, and drops it.
 * @throws LifeboatError `restore-incomplete` or `cancelled` where the backup failed: then the old database stays.
 */
export async function removeReplaced(run: Run, target: string, aside: string): Promise<void> {
  const { plan, maintain, safety, events } = run;
  if (plan.safetyBackup.includes(target)) {
    try {
      await maintain((session) => allowConnections(session, aside));
      await safety({ database: aside, name: target, tables: [] });
    } catch (error) {
      const code = hasCode(error, 'cancelled') ? 'cancelled' : 'restore-incomplete';
      throw new LifeboatError(
        code,
        `${target} is restored, but the safety backup of what it replaced was not taken: ${messageOf(error)}; all of that is still there as the database ${aside}`,
        {
          cause: error,
          hint: `restore again, which backs it up and drops it; or drop it: DROP DATABASE ${quoteName(aside)}; or go back to it: ${undo(target, aside)}`,
        },
      );
    }
  }
  try {
    await maintain((session) => dropDatabase(session, aside, plan.serverVersion));
  } catch (error) {
    events.warning?.(`the replaced database is still there as ${aside}: ${messageOf(error)}`);
  }
}

/** Finishes what restores of the same databases left when they were cut off. */
export async function removeLeftovers(run: Run): Promise<void> {
  const { plan, maintain, safety, events } = run;
  for (const { name, purpose, target } of plan.leftovers) {
    events.step?.(`removing ${name}`);
    if (purpose === 'old') {
      await maintain((session) => allowConnections(session, name));
      await safety({ database: name, name: target, tables: [] });
    }
    await maintain((session) => dropLeftover(session, name, plan.serverVersion)).catch((error: unknown) => {
      events.warning?.(messageOf(error));
      for (const warning of leftoverWarnings([{ name, purpose }])) events.warning?.(warning);
    });
  }
}

/** Without ending sessions: whoever works with it knows why. */
async function dropLeftover(
  session: SqlSession,
  name: TemporaryDatabase['name'],
  server: number,
): Promise<void> {
  const found = (await listTemporaryDatabases(session)).find((each) => each.name === name);
  if (found?.sessions === 0) await dropDatabase(session, name, server);
  else if (found) throw new LifeboatError('database-failed', `somebody is connected to ${name}`);
}
