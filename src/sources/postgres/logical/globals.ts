import { hasCode, type LifeboatError } from '../../../core/errors.ts';
import { runToolToSuccess } from '../../../transport/run-tool.ts';
import type { SqlSession } from '../connection/session.ts';
import { globalsArguments } from './dump-arguments.ts';
import type { ToolLogin } from './held-environment.ts';

/** What belongs to the whole server: roles, their memberships and settings, tablespaces. */

export interface Globals {
  /** SQL for psql; null where the role may not read them. */
  readonly sql: Buffer | null;
  readonly passwords: boolean;
  /** What is missing, and why. */
  readonly problem: string | null;
}

async function mayReadPasswords(session: SqlSession): Promise<boolean> {
  const [row] = await session.query<{ may: boolean }>(
    `select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') as may`,
  );
  return row?.may ?? false;
}

/** @throws LifeboatError `cancelled`, `tool-missing`; a role that may not read them is no error. */
export async function dumpGlobals(
  session: SqlSession,
  program: string,
  login: ToolLogin,
  more: { readonly lockWaitMs: number; readonly signal: AbortSignal },
): Promise<Globals> {
  const run = async (passwords: boolean): Promise<Buffer> => {
    const args = [...globalsArguments(passwords, more.lockWaitMs), `--database=${login.env.PGDATABASE}`];
    const { stdout } = await runToolToSuccess({
      program,
      args,
      env: { ...login.env, LC_ALL: 'C' },
      secrets: login.secrets,
      signal: more.signal,
    });
    return stdout;
  };
  try {
    if (await mayReadPasswords(session)) return { sql: await run(true), passwords: true, problem: null };
    const problem = `the role ${login.env.PGUSER} may not read the passwords of roles, so they are not in the backup`;
    return { sql: await run(false), passwords: false, problem };
  } catch (error) {
    if (!hasCode(error, 'tool-failed')) throw error;
    return { sql: null, passwords: false, problem: lastWords(error) };
  }
}

const lastWords = (error: LifeboatError): string =>
  `roles and tablespaces could not be read: ${error.message}`;
