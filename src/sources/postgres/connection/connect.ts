import type { Client } from 'pg';
import { hasCode, LifeboatError } from '../../../core/errors.ts';
import { connectFailure, isTlsFailure, sqlStateOf } from './failure.ts';
import { LargeReadSocket } from './large-reads.ts';
import { type ConnectionSettings, describeConnection } from './settings.ts';
import { type TlsAttempt, tlsAttempts } from './tls.ts';

/** Logging in: hosts in order, with TLS or without as sslmode says. */

export interface ConnectOptions {
  readonly applicationName?: string;
  /** Speaks the physical replication protocol instead of SQL. */
  readonly replication?: boolean;
  /** Much will be read: takes it in larger pieces where there is no TLS in between. */
  readonly largeReads?: boolean;
  readonly signal?: AbortSignal;
}

export interface Connected {
  readonly client: Client;
  /** Names only the host that answered. */
  readonly settings: ConnectionSettings;
  readonly encrypted: boolean;
  /** What the server reported of itself at the login, such as `server_version`. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What pg's client has beside its typed interface. */
interface ClientInternals {
  connection: NodeJS.EventEmitter & { stream: import('node:net').Socket };
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/** Parts of a client that its types leave out. */
export function internalsOf(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}

const keepAliveDelayMs = 30_000;

function cancelled(): LifeboatError {
  return new LifeboatError('cancelled', 'cancelled while connecting to PostgreSQL');
}

/** Types as this program wants them: 64-bit integers as bigint, times as text, everything else as pg has it. */
async function typeParsers(): Promise<{ getTypeParser: (...of: never[]) => unknown }> {
  const { types } = (await import('pg')).default;
  const int8 = 20;
  const asText = new Set([1082, 1083, 1114, 1184, 1186, 1266]); // date, time, timestamp(tz), interval, timetz
  const text = (value: string): string => value;
  const getTypeParser = (oid: number, format?: 'text'): unknown => {
    if (oid === int8) return BigInt;
    return asText.has(oid) ? text : types.getTypeParser(oid, format);
  };
  return { getTypeParser: getTypeParser as (...of: never[]) => unknown };
}

function missingPassword(settings: ConnectionSettings): LifeboatError {
  const why = settings.passfileProblem === null ? '' : `; ${settings.passfileProblem}`;
  return new LifeboatError(
    'database-login-refused',
    `the server at ${describeConnection(settings)} asks for a password, and none was given${why}`,
    { hint: 'give it in the URI, by PGPASSWORD or in a password file with mode 0600' },
  );
}

function unbound(settings: ConnectionSettings): LifeboatError {
  return new LifeboatError(
    'database-login-refused',
    `the server at ${describeConnection(settings)} offers no channel binding, which channel_binding=require asks for`,
    { hint: 'use TLS and a SCRAM password on the server, or leave channel_binding out' },
  );
}

async function attempt(
  settings: ConnectionSettings,
  tls: TlsAttempt,
  { applicationName = 'lifeboat', replication = false, largeReads = false, signal }: ConnectOptions,
): Promise<Connected> {
  if (signal?.aborted) throw cancelled();
  const pg = (await import('pg')).default;
  let bound = false;
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    // A function, so that pg looks for a password nowhere else.
    password: () => {
      if (settings.channelBinding === 'require' && !bound) throw unbound(settings);
      const { password } = settings;
      if (password === null) throw missingPassword(settings);
      return password;
    },
    // Never absent: pg would read the environment by rules of its own.
    ssl: tls === null ? false : { ...tls, ...('key' in tls && { key: tls.key }) },
    application_name: applicationName,
    options: settings.serverOptions ?? '',
    connectionTimeoutMillis: settings.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    enableChannelBinding: tls !== null && settings.channelBinding === 'require',
    types: await typeParsers(),
    sslnegotiation: 'postgres',
    ...(replication && { replication: 'true' }),
    ...(largeReads && tls === null && { stream: () => new LargeReadSocket() }),
  } as ConstructorParameters<typeof pg.Client>[0]);
  const { connection } = internalsOf(client);
  connection.prependListener('authenticationSASL', ({ mechanisms }: { mechanisms: readonly string[] }) => {
    bound = tls !== null && mechanisms.includes('SCRAM-SHA-256-PLUS');
  });
  const parameters = new Map<string, string>();
  connection.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
    parameters.set(status.parameterName, status.parameterValue);
  });
  // After the login, losing the connection is told by whoever holds it; before, by `connect`.
  client.on('error', () => undefined);
  const abort = (): void => void connection.stream.destroy(cancelled());
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    if (settings.channelBinding === 'require' && !bound) throw unbound(settings);
    return { client, settings, encrypted: tls !== null, parameters };
  } catch (error) {
    connection.stream.destroy();
    throw signal?.aborted ? cancelled() : error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Whether the other way, encrypted or plain, may do better: no TLS there, or pg_hba.conf wants it otherwise. */
function otherWayMayDo(error: unknown): boolean {
  return sqlStateOf(error) === '28000' || isTlsFailure(error);
}

async function connectHost(settings: ConnectionSettings, options: ConnectOptions): Promise<Connected> {
  const problems: unknown[] = [];
  for (const tls of await tlsAttempts(settings, settings.hosts[0]!)) {
    try {
      return await attempt(settings, tls, options);
    } catch (error) {
      problems.push(error);
      if (!otherWayMayDo(error)) break;
    }
  }
  // What a server says of the login tells more than that it cannot encrypt.
  throw connectFailure(problems.find((error) => !isTlsFailure(error)) ?? problems[0], settings);
}

/** Whether a server is what target_session_attrs asks for. */
async function isWanted({ client, settings }: Connected): Promise<boolean> {
  if (settings.target === 'any') return true;
  const result = await client.query<{ standby: boolean; readOnly: string }>(
    `SELECT pg_catalog.pg_is_in_recovery() AS standby, pg_catalog.current_setting('transaction_read_only') AS "readOnly"`,
  );
  const { standby, readOnly } = result.rows[0]!;
  switch (settings.target) {
    case 'primary':
      return !standby;
    case 'standby':
    case 'prefer-standby':
      return standby;
    case 'read-write':
      return !standby && readOnly === 'off';
    case 'read-only':
      return standby || readOnly === 'on';
  }
}

/** The first host that answers and is wanted. Where one answers and refuses the login, no further one is asked. */
async function firstWanted(settings: ConnectionSettings, options: ConnectOptions): Promise<Connected> {
  const problems: LifeboatError[] = [];
  for (const host of settings.hosts) {
    const one = settings.with({ hosts: [host] });
    try {
      const connected = await connectHost(one, options);
      if (await isWanted(connected)) return connected;
      await connected.client.end();
      problems.push(
        new LifeboatError(
          'database-unreachable',
          `the server at ${describeConnection(one)} is not what target_session_attrs=${one.target} asks for`,
        ),
      );
    } catch (error) {
      const failure = connectFailure(error, one);
      if (failure.code !== 'database-unreachable') throw failure;
      problems.push(failure);
    }
  }
  if (problems.length === 1) throw problems[0];
  throw new LifeboatError('database-unreachable', problems.map(({ message }) => message).join('; '), {
    cause: problems[0],
  });
}

/**
 * A connection that is logged in. The caller ends it.
 * @throws LifeboatError `database-unreachable`, `database-login-refused`, `database-tls`, `database-missing`,
 * `database-permission`, `database-pooler`, `cancelled`
 */
export async function connect(
  settings: ConnectionSettings,
  options: ConnectOptions = {},
): Promise<Connected> {
  if (settings.target === 'prefer-standby' && settings.hosts.length > 1) {
    try {
      return await connect(settings.with({ target: 'standby' }), options);
    } catch (error) {
      if (!hasCode(error, 'database-unreachable')) throw error;
      return connect(settings.with({ target: 'any' }), options);
    }
  }
  if (settings.target === 'prefer-standby') return connect(settings.with({ target: 'any' }), options);
  if (!options.replication || settings.target === 'any') return firstWanted(settings, options);
  // The replication protocol cannot ask a server what it is, so SQL asks first.
  const { replication: _, ...sql } = options;
  const found = await firstWanted(settings, sql);
  await found.client.end();
  return firstWanted(found.settings.with({ target: 'any' }), options);
}
