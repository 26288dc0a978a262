import { randomBytes } from 'node:crypto';
import type { SqlSession } from '../connection/session.ts';

/** What a restore calls the databases that it works with until its end. */

/** `new`: being built. `old`: what was replaced, until it is backed up and dropped. */
export type TemporaryPurpose = 'new' | 'old';

export interface TemporaryDatabase {
  readonly name: string;
  readonly purpose: TemporaryPurpose;
  /** Sessions in it: somebody works with it. */
  readonly sessions: number;
}

/** Names of databases are cut at 63 bytes. */
const nameBytesMax = 63;

const tailOf = (purpose: TemporaryPurpose, random: string): string => `_lifeboat_${purpose}_${random}`;
const temporary = /^(.*)_lifeboat_(new|old)_[0-9a-f]{8}$/s;

export function temporaryName(target: string, purpose: TemporaryPurpose): string {
  const tail = tailOf(purpose, randomBytes(4).toString('hex'));
  const head = Buffer.from(target).subarray(0, nameBytesMax - tail.length);
  // A letter of several bytes may be cut in two.
  return `${head.toString('utf8').replace(/\ufffd+$/, '')}${tail}`;
}

/** Whether a database is one that a restore made beside its target, or put aside. */
export const isTemporaryName = (name: string): boolean => temporary.test(name);

/** Whether a restore of `target` made this name. False for long targets, whose names do not show whole in it. */
export function isTemporaryOf(name: string, target: string): boolean {
  const fits = Buffer.byteLength(target) + tailOf('new', '01234567').length <= nameBytesMax;
  return fits && temporary.exec(name)?.[1] === target;
}

/** Databases that restores left behind because they were killed, or still work with. */
export async function listTemporaryDatabases(session: SqlSession): Promise<TemporaryDatabase[]> {
  const rows = await session.query<{ name: string; sessions: number }>(
    `select d.datname::text as name,
       (select count(*)::int from pg_catalog.pg_stat_activity a where a.datid = d.oid) as sessions
     from pg_catalog.pg_database d order by d.datname`,
  );
  return rows.flatMap(({ name, sessions }) => {
    const purpose = temporary.exec(name)?.[2] as TemporaryPurpose | undefined;
    return purpose ? [{ name, purpose, sessions }] : [];
  });
}
