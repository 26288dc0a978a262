import { LifeboatError } from '../../../core/errors.ts';
import type { ExistingDatabase } from '../../../sources/postgres/logical/restore-target.ts';
import { quoteName, quoteText } from '../../../sources/postgres/logical/sql-text.ts';
import { isTemporaryOf, type TemporaryDatabase } from '../../../sources/postgres/logical/temporary-names.ts';
import type { DatabasePlan, Leftover } from './request.ts';

/** What hangs on a database that a restore replaces, and is in no dump. */

/** @throws LifeboatError `database-restore-failed` where the server would refuse in the end. */
export function refuseHeld(
  { way, target }: Pick<DatabasePlan, 'way' | 'target'>,
  there: ExistingDatabase,
): void {
  const [prepared] = there.preparedTransactions;
  if (way === 'swap' && prepared !== undefined) {
    throw new LifeboatError(
      'database-restore-failed',
      `${target} has prepared transactions (${there.preparedTransactions.join(', ')}), and the server lets nobody replace a database that has any; nothing was changed`,
      {
        hint: `end them, connected to ${target}: COMMIT PREPARED ${quoteText(prepared)}, or ROLLBACK PREPARED`,
      },
    );
  }
}

/** @throws LifeboatError `database-restore-failed` where the database, which is to be changed as it is, lets nobody in. */
export function refuseClosed(target: string, there: ExistingDatabase): void {
  if (there.takesConnections) return;
  throw new LifeboatError(
    'database-restore-failed',
    `${target} takes no connections, as somebody closed it`,
    { hint: `open it, then restore again: ALTER DATABASE ${quoteName(target)} ALLOW_CONNECTIONS true` },
  );
}

/** What the user should know before the database is replaced. */
export function attachmentWarnings(
  { way, target }: Pick<DatabasePlan, 'way' | 'target'>,
  { slots, subscriptions }: ExistingDatabase,
): string[] {
  if (way !== 'swap') return [];
  const warnings: string[] = [];
  if (slots.length > 0)
    warnings.push(
      `logical replication slots of ${target} end with it: ${slots.join(', ')}; their subscribers have to start anew`,
    );
  if (subscriptions.length > 0)
    warnings.push(
      `${target} has subscriptions (${subscriptions.join(', ')}): what is replaced stays beside it until they are dropped there; restored ones begin disabled`,
    );
  return warnings;
}

/** What restores that were killed left, and how it goes away. */
export function leftoverWarnings(left: readonly Pick<TemporaryDatabase, 'name' | 'purpose'>[]): string[] {
  return left.map(({ name, purpose }) => {
    const what = purpose === 'old' ? ' and has what that replaced' : '';
    return `${name} is left of a restore that was cut off${what}, unless one is running now; drop it with DROP DATABASE ${quoteName(name)}`;
  });
}

/** What this restore can finish, and what it leaves alone. */
export function planLeftovers(
  there: readonly TemporaryDatabase[],
  databases: readonly Pick<DatabasePlan, 'target' | 'way'>[],
  safetyBackup: boolean,
): { readonly leftovers: readonly Leftover[]; readonly warnings: readonly string[] } {
  const targets = databases
    .filter(({ way }) => way === 'create' || way === 'swap')
    .map(({ target }) => target);
  const leftovers: Leftover[] = [];
  const others: TemporaryDatabase[] = [];
  for (const each of there) {
    const target = targets.find((name) => isTemporaryOf(each.name, name));
    // Without a safety backup nobody but the user may say that what was replaced is not needed.
    const finishes = each.sessions === 0 && (each.purpose === 'new' || safetyBackup);
    if (target !== undefined && finishes) leftovers.push({ name: each.name, purpose: each.purpose, target });
    else others.push(each);
  }
  return { leftovers, warnings: leftoverWarnings(others) };
}
