import { existsSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { LifeboatError } from '../../../core/errors.ts';
import { type Parameters, parseConnectionString } from './conninfo.ts';
import { type PassfileEntry, passwordOf, readPassfile } from './passfile.ts';

/** How to reach a PostgreSQL server: what libpq would make of a connection string and the environment. */

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

const channelBindings = ['disable', 'prefer', 'require'] as const;
const sessionTargets = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
/** Which of several servers will do (target_session_attrs). */
export type SessionTarget = (typeof sessionTargets)[number];

export interface Host {
  /** Name, address, or the folder of a socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
}

/** Everything but the password. */
export interface ConnectionFacts {
  /** At least one; they are tried in order. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Path of a file of certificates, `system` for those of the machine, or null for ~/.postgresql/root.crt where it exists. */
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly channelBinding: (typeof channelBindings)[number];
  readonly target: SessionTarget;
  /** 0 waits for ever. */
  readonly connectTimeoutMs: number;
  /** Command-line options for the server's process, such as `-c geqo=off`. */
  readonly serverOptions: string | null;
  /** Why a password file was not used, or null. */
  readonly passfileProblem: string | null;
}

interface Secrets {
  readonly password: string | null;
  readonly sslPassword: string | null;
  readonly passfile: readonly PassfileEntry[];
}

/** Folders in which packages of PostgreSQL put the socket. */
const socketFolders = ['/var/run/postgresql', '/run/postgresql', '/tmp'];

/**
 * Settings of a connection. Copies are made with `with`; neither printing nor JSON nor a spread reveals the
 * password.
 */
export class ConnectionSettings implements ConnectionFacts {
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly channelBinding: ConnectionFacts['channelBinding'];
  readonly target: SessionTarget;
  readonly connectTimeoutMs: number;
  readonly serverOptions: string | null;
  readonly passfileProblem: string | null;
  readonly #secrets: Secrets;

  constructor(facts: ConnectionFacts, secrets: Secrets) {
    this.hosts = facts.hosts;
    this.user = facts.user;
    this.database = facts.database;
    this.sslMode = facts.sslMode;
    this.sslRootCert = facts.sslRootCert;
    this.sslCert = facts.sslCert;
    this.sslKey = facts.sslKey;
    this.channelBinding = facts.channelBinding;
    this.target = facts.target;
    this.connectTimeoutMs = facts.connectTimeoutMs;
    this.serverOptions = facts.serverOptions;
    this.passfileProblem = facts.passfileProblem;
    this.#secrets = secrets;
  }

  /** The first host: a name, an address, or the folder of a socket. */
  get host(): string {
    return this.hosts[0]!.host;
  }

  get port(): number {
    return this.hosts[0]!.port;
  }

  /** For the first host; null where none was given and no line of the password file fits. */
  get password(): string | null {
    if (this.#secrets.password !== null) return this.#secrets.password;
    const { host, port, database, user } = this;
    const known = socketFolders.includes(host) ? 'localhost' : host;
    return passwordOf(this.#secrets.passfile, { host: known, port, database, user });
  }

  /** Of the client's private key. */
  get sslPassword(): string | null {
    return this.#secrets.sslPassword;
  }

  /** Every secret in it, for redaction. */
  get secrets(): readonly string[] {
    return [this.password, this.sslPassword].filter((secret) => secret !== null && secret !== '') as string[];
  }

  /** A copy with other facts, such as another database. */
  with(changes: Partial<ConnectionFacts>): ConnectionSettings {
    return new ConnectionSettings({ ...(this as ConnectionFacts), ...changes }, this.#secrets);
  }

  /** For people: `app@db.example.org:5432/app`. */
  toString(): string {
    return describeConnection(this);
  }

  [inspect.custom](): string {
    return `ConnectionSettings(${describeConnection(this)})`;
  }
}

/** For people, without secrets: `app@db.example.org:5432/app`. */
export function describeConnection({ hosts, user, database }: ConnectionFacts): string {
  const places = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  return `${user}@${places.join(',')}/${database}`;
}

function invalid(problem: string): LifeboatError {
  return new LifeboatError('database-settings', `the connection to PostgreSQL is not understood: ${problem}`);
}

/** libpq's parameters that are taken, and their variables in the environment. */
const environmentNames: Readonly<Record<string, string | null>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  dbname: 'PGDATABASE',
  passfile: 'PGPASSFILE',
  options: 'PGOPTIONS',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslpassword: null,
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
};

/** Would change whom we talk to or how safely, and is not done: an error instead of a surprise. */
const refused: Readonly<Record<string, string>> = {
  PGSERVICE: 'service',
  PGHOSTADDR: 'hostaddr',
  PGSSLCRL: 'sslcrl',
  PGSSLCRLDIR: 'sslcrldir',
  PGREQUIREAUTH: 'require_auth',
  PGREQUIREPEER: 'requirepeer',
  PGSSLMINPROTOCOLVERSION: 'ssl_min_protocol_version',
};
const refusedHints: Readonly<Record<string, string>> = {
  service: 'give the URI itself instead of the name of a service',
  hostaddr: 'give the address as the host',
};

/** Says nothing about the connection that a backup needs: libpq's own, and those of Prisma and other clients. */
const ignored = new Set([
  ...[
    'application_name',
    'fallback_application_name',
    'client_encoding',
    'gssencmode',
    'krbsrvname',
    'gsslib',
  ],
  ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  ...['sslcompression', 'sslsni', 'sslnegotiation', 'load_balance_hosts', 'replication', 'gssdelegation'],
  ...['min_protocol_version', 'max_protocol_version', 'ssl_max_protocol_version', 'sslcertmode'],
  ...['schema', 'pgbouncer', 'connection_limit', 'pool_timeout', 'socket_timeout', 'statement_cache_size'],
  ...['pool_mode', 'supa', 'workaround', 'uselibpqcompat'],
]);

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid(`${name} must be one of ${choices.join(', ')}`);
  return found;
}

function parsePort(text: string): number {
  if (text === '') return 5432;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535)
    throw invalid('a port must be a number from 1 to 65535');
  return port;
}

/** The folder in which the local server's socket is, or should be. */
function defaultHost(port: number): string {
  if (process.platform === 'win32') return 'localhost';
  const found = socketFolders.find((folder) => existsSync(join(folder, `.s.PGSQL.${port}`)));
  return found ?? socketFolders.find((folder) => existsSync(folder)) ?? 'localhost';
}

function hostsOf(host: string, port: string): Host[] {
  const names = host.split(',').map((name) => name.trim());
  const ports = port.split(',').map((each) => parsePort(each.trim()));
  if (ports.length > 1 && ports.length !== names.length) {
    throw invalid(`there are ${names.length} hosts, but ${ports.length} ports`);
  }
  return names.map((name, index) => {
    const number = ports[index] ?? ports[0]!;
    return { host: name === '' ? defaultHost(number) : name, port: number };
  });
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    throw new LifeboatError(
      'database-settings',
      'the connection names no user, and this account has no name',
      {
        cause: error,
      },
    );
  }
}

function checkKnown(parameters: Parameters, env: Readonly<Record<string, string | undefined>>): void {
  for (const [variable, name] of Object.entries(refused)) {
    const given = parameters.has(name) ? name : env[variable] ? variable : null;
    if (given === null) continue;
    throw invalid(`${given} is not supported; ${refusedHints[name] ?? 'leave it out'}`);
  }
  const encryption = parameters.get('gssencmode') ?? env.PGGSSENCMODE;
  if (encryption === 'require') throw invalid('gssencmode=require is not supported; use TLS with sslmode');
  for (const name of parameters.keys()) {
    if (!(name in environmentNames) && !ignored.has(name)) {
      throw invalid(`PostgreSQL's clients know no parameter "${name}"; leave it out`);
    }
  }
}

export interface ConnectionMore {
  /** Goes before every other place that a password could come from. */
  readonly password: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Settings from a libpq URI or keyword string (null for the environment alone), `PG…` variables, the password
 * file and libpq's defaults, in this order.
 * @throws LifeboatError `database-settings`
 */
export async function connectionSettings(
  given: string | null,
  { password, env }: ConnectionMore,
): Promise<ConnectionSettings> {
  const parameters: Parameters = given === null ? new Map() : parseConnectionString(given);
  checkKnown(parameters, env);
  const value = (name: string): string | null => {
    const variable = environmentNames[name];
    // Empty means the default, as in libpq.
    return parameters.get(name) || (variable ? env[variable] : undefined) || null;
  };

  const user = value('user') ?? accountName();
  const rootCert = value('sslrootcert');
  const system = rootCert === 'system';
  const sslMode = oneOf('sslmode', value('sslmode') ?? (system ? 'verify-full' : 'prefer'), sslModes);
  if (system && sslMode !== 'verify-full') {
    throw invalid(`sslmode=${sslMode} is too weak for sslrootcert=system; use verify-full`);
  }
  const timeout = Number(value('connect_timeout') ?? 30);
  if (!Number.isInteger(timeout)) throw invalid('connect_timeout must be a whole number of seconds');
  const home = env.HOME ?? homedir();
  const passfile = await readPassfile(value('passfile') ?? join(home, '.pgpass'));

  return new ConnectionSettings(
    {
      hosts: hostsOf(value('host') ?? '', value('port') ?? ''),
      user,
      database: value('dbname') ?? user,
      sslMode,
      sslRootCert: rootCert,
      sslCert: value('sslcert'),
      sslKey: value('sslkey'),
      channelBinding: oneOf('channel_binding', value('channel_binding') ?? 'prefer', channelBindings),
      target: oneOf('target_session_attrs', value('target_session_attrs') ?? 'any', sessionTargets),
      connectTimeoutMs: Math.max(0, timeout) * 1000,
      serverOptions: value('options'),
      passfileProblem: passfile.problem,
    },
    {
      password: password ?? value('password'),
      sslPassword: value('sslpassword'),
      passfile: passfile.entries,
    },
  );
}
