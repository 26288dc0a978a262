import { promises as fs } from 'node:fs';
import { errnoOf, messageOf } from '../../../core/errors.ts';

/** The password file of libpq (documentation, "The Password File"): `host:port:database:user:password` lines. */

export interface PassfileEntry {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

export interface Passfile {
  readonly entries: readonly PassfileEntry[];
  /** Why the file was ignored, or null. */
  readonly problem: string | null;
}

/** Fields of a line, unescaped; null for comments and lines that lack fields. */
function parseLine(line: string): PassfileEntry | null {
  if (line.startsWith('#')) return null;
  const fields = [...line.matchAll(/((?:[^:\\]|\\.?)*)(?::|$)/g)].map((match) =>
    match[1]!.replace(/\\(.)/g, '$1'),
  );
  const [host, port, database, user, password] = fields;
  if (!host || !port || !database || !user || !password) return null;
  return { host, port, database, user, password };
}

/**
 * As libpq reads it: a file that group or others can access is ignored, with the reason.
 * A file that does not exist has no entries.
 */
export async function readPassfile(path: string): Promise<Passfile> {
  const ignored = (problem: string): Passfile => ({ entries: [], problem });
  try {
    const stat = await fs.stat(path);
    if (!stat.isFile()) return ignored(`the password file ${path} is no plain file, so it was ignored`);
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      return ignored(
        `the password file ${path} can be accessed by group or others, so it was ignored; run chmod 600 on it`,
      );
    }
    const lines = (await fs.readFile(path, 'utf8')).split(/\r?\n/);
    return { entries: lines.map(parseLine).filter((entry) => entry !== null), problem: null };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return { entries: [], problem: null };
    return ignored(`the password file ${path} cannot be read: ${messageOf(error)}`);
  }
}

export interface PasswordWanted {
  /** Socket folders that are a server's default count as `localhost`. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/** The password of the first line that fits, or null. */
export function passwordOf(entries: readonly PassfileEntry[], wanted: PasswordWanted): string | null {
  const fits = (pattern: string, value: string): boolean => pattern === '*' || pattern === value;
  const found = entries.find(
    (entry) =>
      fits(entry.host, wanted.host) &&
      fits(entry.port, String(wanted.port)) &&
      fits(entry.database, wanted.database) &&
      fits(entry.user, wanted.user),
  );
  return found?.password ?? null;
}

const escaped = (field: string): string => field.replace(/[\\:]/g, '\\$&');

/** A file whose only line gives this password to whatever libpq connects to. */
export function passfileText(password: string): string {
  return `*:*:*:*:${escaped(password)}\n`;
}
