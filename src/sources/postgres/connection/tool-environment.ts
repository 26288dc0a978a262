import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { LifeboatError, messageOf } from '../../../core/errors.ts';
import { makeOwnedFolder } from '../../../transport/owned-folder.ts';
import { passfileText } from './passfile.ts';
import type { ConnectionSettings } from './settings.ts';

/**
 * How PostgreSQL's programs learn where to connect: by libpq's variables, and the secrets by files that only the
 * account that runs the program can read. Nothing secret is in arguments or in the environment.
 */

/** libpq's variables for the environment of a program. */
export type ToolEnvironment = Readonly<Record<string, string>>;

/** To be given to every program that connects: it never asks for a password. */
const connectionArguments = ['--no-password'] as const;

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** A service's value ends at the line's end and has no escapes (documentation, "The Connection Service File"). */
const serviceName = 'lifeboat';

async function writePrivate(path: string, text: string, account: Account | null): Promise<void> {
  await fs.writeFile(path, text, { mode: 0o600, flag: 'wx' });
  if (account) await fs.chown(path, account.uid, account.gid);
}

async function tlsVariables(
  settings: ConnectionSettings,
  folder: string,
  account: Account | null,
): Promise<Record<string, string>> {
  const { sslRootCert, sslCert, sslKey, sslPassword } = settings;
  const variables: Record<string, string> = { PGSSLMODE: settings.sslMode };
  if (sslCert !== null) variables.PGSSLCERT = sslCert;
  if (sslKey !== null) variables.PGSSLKEY = sslKey;
  if (sslRootCert === 'system') {
    // Programs before PostgreSQL 16 do not know this word.
    const path = join(folder, 'root.crt');
    const found = getCACertificates('system');
    await writePrivate(path, (found.length > 0 ? found : getCACertificates('bundled')).join('\n'), account);
    variables.PGSSLROOTCERT = path;
  } else if (sslRootCert !== null) {
    variables.PGSSLROOTCERT = sslRootCert;
  }
  if (sslPassword !== null) {
    const path = join(folder, 'pg_service.conf');
    await writePrivate(path, `[${serviceName}]\nsslpassword=${sslPassword}\n`, account);
    variables.PGSERVICEFILE = path;
    variables.PGSERVICE = serviceName;
  }
  return variables;
}

/** libpq's variables, and the private files that they name. */
async function variables(
  settings: ConnectionSettings,
  folder: string,
  account: Account | null,
): Promise<Record<string, string>> {
  const passfile = join(folder, 'pgpass');
  const { password } = settings;
  // Without one the name stays unused, so that no other password file is read either.
  if (password !== null) await writePrivate(passfile, passfileText(password), account);
  return {
    PGHOST: settings.hosts.map(({ host }) => host).join(','),
    PGPORT: settings.hosts.map(({ port }) => port).join(','),
    PGUSER: settings.user,
    PGDATABASE: settings.database,
    PGPASSFILE: passfile,
    PGAPPNAME: 'lifeboat',
    PGCLIENTENCODING: 'UTF8',
    PGCHANNELBINDING: settings.channelBinding,
    PGCONNECT_TIMEOUT: String(Math.ceil(settings.connectTimeoutMs / 1000)),
    ...(settings.serverOptions !== null && { PGOPTIONS: settings.serverOptions }),
    ...(settings.hosts.length > 1 && settings.target !== 'any' && { PGTARGETSESSIONATTRS: settings.target }),
    ...(await tlsVariables(settings, folder, account)),
  };
}

function loginFailure(error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  return new LifeboatError(
    'scratch-full',
    `the private folder for passwords cannot be made in ${tmpdir()}: ${messageOf(error)}`,
    { cause: error, hint: 'make room there, or name another folder for temporary files in TMPDIR' },
  );
}

/**
 * Runs work that starts PostgreSQL's programs. Their secrets are in a private folder that is gone when this returns
 * or throws. What they say can still hold them: redact it by `settings.secrets`.
 * @param account that the programs run as, where it is not ours
 */
export async function withToolEnvironment<Result>(
  settings: ConnectionSettings,
  work: (env: ToolEnvironment, args: readonly string[]) => Promise<Result>,
  account: Account | null = null,
): Promise<Result> {
  let folder: string;
  try {
    folder = makeOwnedFolder(tmpdir(), 'lifeboat-login-');
  } catch (error) {
    throw loginFailure(error);
  }
  try {
    let env: ToolEnvironment;
    try {
      if (account) await fs.chown(folder, account.uid, account.gid);
      env = await variables(settings, folder, account);
    } catch (error) {
      throw loginFailure(error);
    }
    return await work(env, connectionArguments);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
