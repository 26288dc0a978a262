import { LifeboatError } from '../../../core/errors.ts';
import { requestCancel } from './cancel.ts';
import { type ConnectOptions, connect, internalsOf } from './connect.ts';
import { databaseFailure, isLostConnection } from './failure.ts';
import { type ConnectionSettings, describeConnection } from './settings.ts';

/** One held connection for SQL. Statements run one after the other. */
export interface SqlSession {
  /**
   * The rows of one statement. `int8` (so count(*), too) comes as bigint, `numeric` and all times as text,
   * `bytea` as Buffer, `json` parsed. Without values several statements may be given; the rows are then those of
   * the last one.
   * @throws LifeboatError by SQLSTATE: `database-permission`, `database-connection-lost`, `database-failed`, …
   */
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Asks the server to give up the running statement, whose query then fails; does nothing where none runs. */
  cancel(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
  /** Resolves with the reason when the connection is lost; never after `close`. */
  readonly lost: Promise<Error>;
  /** Of the host that answered. */
  readonly settings: ConnectionSettings;
  readonly encrypted: boolean;
  /** The server process as the login announced it; a pooler announces one that does not exist. */
  readonly backendPid: number;
}

export interface SessionOptions {
  /** Aborting cancels the running statement and closes the session. */
  readonly signal?: AbortSignal;
  /** As pg_stat_activity shows it. */
  readonly applicationName?: string;
}

/** Whatever role, database or server say otherwise: names resolve safely, text is parsable, nothing times out. */
const sessionSettings = {
  client_encoding: 'UTF8',
  search_path: '',
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
};

/** Only those that this server's version has. */
const setUp = `SELECT pg_catalog.set_config(s.name, wanted.value, false) FROM (VALUES ${Object.entries(
  sessionSettings,
)
  .map(([name, value]) => `('${name}', '${value}')`)
  .join(', ')}) AS wanted(name, value) JOIN pg_catalog.pg_settings s ON lower(s.name) = wanted.name`;

/** @throws as `connect` */
export async function openSqlSession(
  settings: ConnectionSettings,
  { signal, applicationName }: SessionOptions = {},
): Promise<SqlSession> {
  const options: ConnectOptions = {
    ...(signal && { signal }),
    ...(applicationName !== undefined && { applicationName }),
  };
  const connected = await connect(settings, options);
  const { client } = connected;
  const place = connected.settings;
  let closed = false;
  let running = 0;
  let reason: LifeboatError | null = null;

  const { promise: lost, resolve: tellLost } = Promise.withResolvers<Error>();
  const onLost = (error?: unknown): void => {
    if (closed || reason) return;
    reason = new LifeboatError(
      'database-connection-lost',
      `the connection to PostgreSQL (${describeConnection(place)}) was lost`,
      { cause: error },
    );
    tellLost(reason);
  };
  client.on('error', onLost);
  client.on('end', onLost);

  async function query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    if (signal?.aborted) throw new LifeboatError('cancelled', 'the query to PostgreSQL was cancelled');
    if (reason) throw reason;
    running++;
    try {
      const result: unknown = values ? await client.query(sql, [...values]) : await client.query(sql);
      const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: Row[] };
      return last.rows;
    } catch (error) {
      if (signal?.aborted) throw new LifeboatError('cancelled', 'the query to PostgreSQL was cancelled');
      if (isLostConnection(error)) onLost(error);
      throw databaseFailure(error, 'PostgreSQL refused a statement', place);
    } finally {
      running--;
    }
  }

  const cancel = async (): Promise<void> => {
    if (running > 0 && !reason) await requestCancel(connected);
  };

  const abort = (): void => {
    // The server does not notice a closed socket while it waits or computes, so it is told first.
    void cancel().then(close);
  };
  let closing: Promise<void> | null = null;
  function close(): Promise<void> {
    closing ??= (async () => {
      closed = true;
      signal?.removeEventListener('abort', abort);
      // Its end is all that is wanted: a connection that is lost already has ended.
      await client.end().catch(() => undefined);
    })();
    return closing;
  }
  signal?.addEventListener('abort', abort, { once: true });

  try {
    await query(setUp);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    query,
    cancel,
    close,
    lost,
    settings: place,
    encrypted: connected.encrypted,
    backendPid: internalsOf(client).processID ?? 0,
  };
}
