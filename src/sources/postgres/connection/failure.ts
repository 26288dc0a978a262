import { type ErrorCode, errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import { type ConnectionSettings, describeConnection } from './settings.ts';

/** What went wrong with a database, as an error of ours: SQLSTATEs (documentation, appendix A) and socket errors. */

interface ServerMessage {
  readonly severity: string;
  /** SQLSTATE */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

function isServerMessage(error: unknown): error is ServerMessage {
  const { severity, code } = (error ?? {}) as Partial<ServerMessage>;
  return typeof severity === 'string' && typeof code === 'string';
}

/** The SQLSTATE of what a server said, also where it is the cause of an error of ours; null for anything else. */
export function sqlStateOf(error: unknown): string | null {
  if (isServerMessage(error)) return error.code;
  return error instanceof Error && error.cause !== undefined ? sqlStateOf(error.cause) : null;
}

const codeByState: Readonly<Record<string, ErrorCode>> = {
  '28P01': 'database-login-refused',
  '28000': 'database-login-refused',
  '3D000': 'database-missing',
  '42501': 'database-permission',
  '53300': 'database-unreachable', // too_many_connections
  '57P03': 'database-unreachable', // cannot_connect_now: starting up or shutting down
  '57P01': 'database-connection-lost', // admin_shutdown
  '57P02': 'database-connection-lost', // crash_shutdown
  '57P05': 'database-connection-lost', // idle_session_timeout
  '25P03': 'database-connection-lost', // idle_in_transaction_session_timeout
};

/** Of Node's sockets and of OpenSSL's verification. */
const tlsErrors =
  /^(?:ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO$|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/;

/** Whether encryption, rather than the server or the network, is what failed. */
export function isTlsFailure(error: unknown): boolean {
  return tlsErrors.test(errnoOf(error)) || /SSL connection/.test(messageOf(error));
}

/** Whether an error means that the socket is gone. */
export function isLostConnection(error: unknown): boolean {
  if (isServerMessage(error)) return codeByState[error.code] === 'database-connection-lost';
  return (
    /^(?:ECONNRESET|EPIPE|ETIMEDOUT|ENETDOWN|EHOSTUNREACH|ENETUNREACH)$/.test(errnoOf(error)) ||
    /Connection terminated|not queryable|Client was closed/.test(messageOf(error))
  );
}

/** Message of an error, also of the kind that Node throws when all addresses of a name failed. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return [...new Set(error.errors.map(messageOf))].join('; ');
  }
  if (!isServerMessage(error)) return messageOf(error);
  return error.detail ? `${error.message} (${error.detail})` : error.message;
}

/** The line that pg_hba.conf lacks, from the server's message where it is in English. */
function missingLine(message: string): string | null {
  const match =
    /no pg_hba\.conf entry for (replication connection from )?host "([^"]*)", user "([^"]*)"(?:, database "([^"]*)")?, (.*)/.exec(
      message,
    );
  if (!match) return null;
  const [, replication, host = '', user = '', database = ''] = match;
  const local = host === '[local]';
  const address = local ? '' : ` ${host}${host.includes(':') ? '/128' : '/32'}`;
  const type = local ? 'local' : /no encryption|SSL off/.test(match[5]!) ? 'host' : 'hostssl';
  const line = `${type} ${replication ? 'replication' : `"${database}"`} "${user}"${address} scram-sha-256`;
  return `add this line to the server's pg_hba.conf and run SELECT pg_reload_conf(): ${line}`;
}

function hintOf(error: ServerMessage, settings: ConnectionSettings): string | undefined {
  const { code, message } = error;
  if (code === '28000') return missingLine(message) ?? undefined;
  if (code === '42501' && /walsender|WAL sender|replication/i.test(message)) {
    return `let the role replicate: ALTER ROLE "${settings.user}" REPLICATION`;
  }
  // Rights to functions count in one database, unlike those of roles.
  const denied = /for function "?([\w.]+)/.exec(message)?.[1];
  if (code === '42501' && denied && !error.hint) {
    return `as a superuser, in the database ${settings.database}: GRANT EXECUTE ON FUNCTION ${denied} TO "${settings.user}"`;
  }
  if (code === '42501') return error.hint;
  if (code === '53300')
    return 'wait for connections to end, or raise max_connections (max_wal_senders for replication)';
  return error.hint;
}

/**
 * Turns what pg or the server said into an error with a code; errors of ours pass as they are.
 * @param known codes by SQLSTATE that mean more where this was done
 */
export function databaseFailure(
  error: unknown,
  doing: string,
  settings: ConnectionSettings,
  known: Readonly<Record<string, ErrorCode>> = {},
): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const place = describeConnection(settings);
  const say = (code: ErrorCode, hint?: string): LifeboatError =>
    new LifeboatError(code, `${doing} (${place}): ${redacted(textOf(error), settings)}`, {
      cause: error,
      ...(hint && { hint }),
    });
  if (isServerMessage(error)) {
    const { code, message } = error;
    if (/startup parameter/.test(message) && code !== '42704') return poolerRefusal(error, settings);
    return say(known[code] ?? codeByState[code] ?? 'database-failed', hintOf(error, settings));
  }
  if (isTlsFailure(error)) return say('database-tls');
  return say(isLostConnection(error) ? 'database-connection-lost' : 'database-failed');
}

/** As `databaseFailure`, for what happens before a session exists. */
export function connectFailure(error: unknown, settings: ConnectionSettings): LifeboatError {
  if (error instanceof LifeboatError) return error;
  if (isServerMessage(error) || isTlsFailure(error)) {
    return databaseFailure(error, 'cannot connect to PostgreSQL', settings);
  }
  const said = /Connection terminated/.test(messageOf(error))
    ? 'the connection was closed before the login ended'
    : textOf(error);
  return new LifeboatError(
    'database-unreachable',
    `cannot connect to PostgreSQL (${describeConnection(settings)}): ${redacted(said, settings)}`,
    { cause: error },
  );
}

function poolerRefusal(error: ServerMessage, settings: ConnectionSettings): LifeboatError {
  return new LifeboatError(
    'database-pooler',
    `a connection pooler answers at ${describeConnection(settings)} and refuses what is needed: ${error.message}`,
    { cause: error },
  );
}

/** A text without the secrets of these settings. */
export function redacted(text: string, settings: ConnectionSettings): string {
  return settings.secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
}
