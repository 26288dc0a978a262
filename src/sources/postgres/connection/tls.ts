import { promises as fs } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, type SecureContextOptions } from 'node:tls';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { ConnectionSettings, Host } from './settings.ts';

/** sslmode and its files as in libpq (documentation, "SSL Support"), as options of node:tls. */

export interface TlsOptions extends SecureContextOptions {
  readonly rejectUnauthorized: boolean;
  /** Returns nothing: the name in the certificate does not matter. Absent where it is verified. */
  readonly checkServerIdentity?: () => undefined;
}

/** One try at a host: encrypted, or null for plain. */
export type TlsAttempt = TlsOptions | null;

async function readOptional(path: string): Promise<string | null> {
  try {
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw new LifeboatError('database-tls', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function readRequired(path: string, what: string): Promise<string> {
  const text = await readOptional(path);
  if (text !== null) return text;
  throw new LifeboatError('database-tls', `${what} ${path} does not exist`);
}

const inHome = (name: string): string => join(process.env.HOME ?? homedir(), '.postgresql', name);

/** Certificates of authorities, or null where none are known and the mode can do without. */
async function authorities({ sslMode, sslRootCert }: ConnectionSettings): Promise<string | string[] | null> {
  if (sslRootCert === 'system') {
    const found = getCACertificates('system');
    return found.length > 0 ? found : getCACertificates('bundled');
  }
  // As in libpq, the weaker modes verify only where the file happens to be there.
  const text = await readOptional(sslRootCert ?? inHome('root.crt'));
  if (text !== null || !sslMode.startsWith('verify-')) return text;
  throw new LifeboatError(
    'database-tls',
    `sslmode=${sslMode} needs the certificate of the server's authority, but ${sslRootCert ?? inHome('root.crt')} does not exist`,
    { hint: 'name the file with sslrootcert=FILE, or use sslrootcert=system for public authorities' },
  );
}

async function tlsOptions(settings: ConnectionSettings): Promise<TlsOptions> {
  const ca = await authorities(settings);
  const cert = settings.sslCert
    ? await readRequired(settings.sslCert, "the client's certificate")
    : await readOptional(inHome('postgresql.crt'));
  const key =
    cert === null
      ? null
      : await readRequired(settings.sslKey ?? inHome('postgresql.key'), "the client's private key");
  const options: TlsOptions = {
    rejectUnauthorized: ca !== null,
    ...(ca !== null && { ca }),
    ...(settings.sslMode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(cert !== null && { cert }),
    ...(settings.sslPassword !== null && { passphrase: settings.sslPassword }),
  };
  // Neither printing nor JSON shows the key.
  return key === null ? options : Object.defineProperty(options, 'key', { value: key, enumerable: false });
}

/**
 * What to try at a host, in order. Sockets of the same machine are never encrypted, whatever the mode.
 * @throws LifeboatError `database-tls` where a needed file is missing or cannot be read
 */
export async function tlsAttempts(settings: ConnectionSettings, { host }: Host): Promise<TlsAttempt[]> {
  if (settings.sslMode === 'disable' || host.startsWith('/')) return [null];
  const options = await tlsOptions(settings);
  if (settings.sslMode === 'allow') return [null, options];
  if (settings.sslMode === 'prefer') return [options, null];
  return [options];
}
