import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { LifeboatError, messageOf } from '../../core/errors.ts';

/** Users and their passwords in a file of Apache's htpasswd: bcrypt (`htpasswd -B`) and `{SHA}`. */

export interface Users {
  /** The name behind an `Authorization` header, or null where it is missing, malformed or wrong. */
  userOf(authorization: string | undefined): Promise<string | null>;
}

type Hash = { readonly kind: 'bcrypt' | 'sha1'; readonly text: string };

const rereadAfterMs = 5_000;
const rememberedMax = 1_000;
const credentialsCharactersMax = 1_024;
/** Of no password, and as slow as others: whether a user exists must not show in the time. */
const nobodysHash = `$2b$10$${'.'.repeat(53)}`;

/** @throws LifeboatError `usage` for a line that cannot be understood. */
export function parseHtpasswd(text: string, path: string): Map<string, Hash> {
  const users = new Map<string, Hash>();
  for (const [n, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const colon = trimmed.indexOf(':');
    const hash = hashOf(trimmed.slice(colon + 1));
    if (colon < 1 || !hash) {
      throw new LifeboatError('usage', `${path}:${n + 1}: not a user with a bcrypt or {SHA} password`, {
        hint: `set the password anew with \`htpasswd -B ${path} USER\``,
      });
    }
    users.set(trimmed.slice(0, colon), hash);
  }
  return users;
}

function hashOf(text: string): Hash | null {
  if (/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(text)) return { kind: 'bcrypt', text };
  if (/^\{SHA\}[A-Za-z0-9+/]{27}=$/.test(text)) return { kind: 'sha1', text: text.slice('{SHA}'.length) };
  return null;
}

/**
 * Reads the file, and again when it has changed. A file that became unreadable lets nobody in who was not in before.
 * @param warn told what is wrong with a changed file.
 * @throws LifeboatError `usage`.
 */
export function htpasswdUsers(path: string, warn: (message: string) => void): Users {
  const read = (): Map<string, Hash> => {
    try {
      return parseHtpasswd(readFileSync(path, 'utf8'), path);
    } catch (error) {
      if (error instanceof LifeboatError) throw error;
      throw new LifeboatError('usage', `cannot read the users in ${path}: ${messageOf(error)}`, {
        hint: 'create the file with `htpasswd -B -c FILE USER`, or let everybody in with --no-auth',
      });
    }
  };
  let users = read();
  let stamp = stampOf(path);
  let lookedAtMs = performance.now();

  /** bcrypt is slow on purpose: what was found right is remembered, as a digest that nobody else can compute. */
  const secret = randomBytes(32);
  const remembered = new Map<string, Hash>();
  let queue: Promise<unknown> = Promise.resolve();

  function refresh(): void {
    if (performance.now() - lookedAtMs < rereadAfterMs) return;
    lookedAtMs = performance.now();
    const current = stampOf(path);
    if (current === stamp) return;
    stamp = current;
    try {
      users = read();
    } catch (error) {
      warn(`${messageOf(error)}; the users stay as they were`);
    }
  }

  async function isRight(name: string, password: string): Promise<boolean> {
    const hash = users.get(name);
    if (hash?.kind === 'sha1') {
      const digest = createHash('sha1').update(password).digest();
      return timingSafeEqual(digest, Buffer.from(hash.text, 'base64'));
    }
    const mark = createHmac('sha256', secret).update(`${name}\0${password}`).digest('hex');
    if (hash && remembered.get(mark)?.text === hash.text) return true;
    // One at a time: guesses must not take the processor away from backups.
    const { compare } = (await import('bcryptjs')).default;
    const answer = queue.then(() => compare(password, hash?.text ?? nobodysHash));
    queue = answer.catch(() => undefined);
    if (!(await answer) || !hash) return false;
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(mark, hash);
    return true;
  }

  return {
    async userOf(authorization) {
      refresh();
      const given = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? '')?.[1];
      if (!given || given.length > credentialsCharactersMax) return null;
      const credentials = Buffer.from(given, 'base64').toString('utf8');
      const colon = credentials.indexOf(':');
      if (colon < 1) return null;
      const name = credentials.slice(0, colon);
      return (await isRight(name, credentials.slice(colon + 1))) ? name : null;
    },
  };
}

function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : '';
}
