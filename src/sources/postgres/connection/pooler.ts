import { LifeboatError } from '../../../core/errors.ts';
import type { SqlSession } from './session.ts';
import { openSqlSession } from './session.ts';
import { describeConnection } from './settings.ts';

/** Connection poolers between here and the server, and what to do about them. */

interface KnownPooler {
  readonly name: string;
  readonly host: RegExp;
  readonly advice: string;
}

const known: readonly KnownPooler[] = [
  {
    name: 'Supavisor of Supabase',
    host: /\.pooler\.supabase\.com$/,
    advice: 'use the direct connection: host db.PROJECT.supabase.co, port 5432, user postgres',
  },
  {
    name: 'the pooler of Neon',
    host: /-pooler\.[^/]*neon\.tech$/,
    advice: 'use the same host without -pooler',
  },
  {
    name: 'Amazon RDS Proxy',
    host: /\.proxy-[^.]+\.[^.]+\.rds\.amazonaws\.com$/,
    advice: 'use the endpoint of the instance or cluster itself',
  },
];

const generalAdvice = 'use the address of the server itself, for PgBouncer usually port 5432 instead of 6432';

export interface PoolerFacts {
  readonly pooler: string | null;
  readonly transactionPooling: boolean;
}

async function backendPid(session: SqlSession): Promise<number> {
  const rows = await session.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]!.pid;
}

/**
 * Looks for a pooler. Poolers answer the login themselves, so the process they announce is not the one that runs
 * the statements. One that shares connections gives two sessions of ours the same process.
 */
export async function readPooler(session: SqlSession): Promise<PoolerFacts> {
  const { host } = session.settings;
  const pid = await backendPid(session);
  const named = known.find((each) => each.host.test(host))?.name ?? null;
  if (pid === session.backendPid) return { pooler: named, transactionPooling: false };
  const second = await openSqlSession(session.settings, { applicationName: 'lifeboat' });
  try {
    const transactionPooling =
      (await backendPid(second)) === (await backendPid(session)) || (await backendPid(session)) !== pid;
    return { pooler: named ?? 'a connection pooler', transactionPooling };
  } finally {
    await second.close();
  }
}

/**
 * For work that needs a connection of its own.
 * @param work what cannot be done, such as `a physical backup`
 * @throws LifeboatError `database-pooler`
 */
export function requireDirect(facts: PoolerFacts, session: SqlSession, work: string): void {
  if (facts.pooler === null) return;
  throw new LifeboatError(
    'database-pooler',
    `${facts.pooler} stands between this machine and the server (${describeConnection(session.settings)}), and ${work} cannot go through it`,
    { hint: adviceFor(session.settings.host) },
  );
}

/** As `requireDirect`, for work that only shared connections break, such as a logical backup. */
export function requireOwnSession(facts: PoolerFacts, session: SqlSession, work: string): void {
  if (facts.transactionPooling) requireDirect(facts, session, work);
}

/** How to get past the pooler at a host. */
export function adviceFor(host: string): string {
  return known.find((each) => each.host.test(host))?.advice ?? generalAdvice;
}
