import { openSqlSession, type SqlSession } from '../connection/session.ts';
import type { ConnectionSettings } from '../connection/settings.ts';

/** Holds a session for some work. Between dumps of hours none is held, as firewalls drop what is silent. */
export async function withSession<T>(
  settings: ConnectionSettings,
  signal: AbortSignal,
  work: (session: SqlSession) => Promise<T>,
): Promise<T> {
  const session = await openSqlSession(settings, { signal, applicationName: 'lifeboat' });
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}
