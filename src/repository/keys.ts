import { createHash, randomBytes, scrypt } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { hasCode, LifeboatError } from '../core/errors.ts';
import { runBounded } from '../core/run-bounded.ts';
import { type Id, isId } from '../model/id.ts';
import { formatTime } from '../model/time.ts';
import type { Storage } from '../storage/storage.ts';
import { createSealer, type MasterKey } from './crypto.ts';
import { idOfKey, keyOf } from './layout.ts';

/** A key file: the master key, encrypted with a key derived from a password (doc/design.rst "Keys"). */
export interface KeyFile {
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly kdf: string;
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly data: string;
}

export interface StoredKey extends KeyFile {
  readonly id: Id;
}

const saltBytes = 64;
const derivedBytes = 64;
/**
 * Work is calibrated so that one guess costs this much on one core of this machine: docs/decisions/0003.
 */
const derivationTargetMs = 200;
/** OWASP's least for N = 2^15 and r = 8 (Password Storage Cheat Sheet, scrypt). */
const passesMin = 3;
const passesMax = 16;
const derivationMemoryBytesMax = 64 * 1024 * 1024;
/** A key file that asks for more is refused: opening a hostile repository must not exhaust the machine. */
const foreignMemoryBytesMax = 4 * 1024 * 1024 * 1024;

interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

function deriveKey(password: string, salt: Buffer, cost: ScryptCost): Promise<MasterKey> {
  const options = { ...cost, maxmem: 256 * cost.N * cost.r + 1024 * cost.r * cost.p };
  return new Promise((resolve, reject) => {
    scrypt(Buffer.from(password, 'utf8'), salt, derivedBytes, options, (error, derived) => {
      if (error) reject(error);
      else
        resolve({
          encryption: derived.subarray(0, 32),
          macK: derived.subarray(32, 48),
          macR: derived.subarray(48, 64),
        });
    });
  });
}

/** Raises p until one derivation takes about the target time. Measured once per process. */
let calibrated: Promise<ScryptCost> | undefined;

async function calibrate(): Promise<ScryptCost> {
  const base: ScryptCost = { N: 32768, r: 8, p: 1 };
  await deriveKey('calibration', Buffer.alloc(saltBytes), base);
  const start = performance.now();
  await deriveKey('calibration', Buffer.alloc(saltBytes), base);
  const oneMs = performance.now() - start;
  const p = Math.max(passesMin, Math.min(passesMax, Math.floor(derivationTargetMs / oneMs)));
  return 128 * base.N * base.r <= derivationMemoryBytesMax ? { ...base, p } : base;
}

function encodeMasterKey(key: MasterKey): Buffer {
  const mac = { k: key.macK.toString('base64'), r: key.macR.toString('base64') };
  return Buffer.from(JSON.stringify({ mac, encrypt: key.encryption.toString('base64') }));
}

function parseMasterKey(json: string): MasterKey | null {
  const value = JSON.parse(json) as { mac?: { k?: unknown; r?: unknown }; encrypt?: unknown };
  const part = (text: unknown, length: number): Buffer | null => {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
    return bytes?.length === length && bytes.some((byte) => byte !== 0) ? bytes : null;
  };
  const encryption = part(value.encrypt, 32);
  const macK = part(value.mac?.k, 16);
  const macR = part(value.mac?.r, 16);
  return encryption && macK && macR ? { encryption, macK, macR } : null;
}

export function generateMasterKey(): MasterKey {
  return { encryption: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
}

/** Parses a key file. @throws LifeboatError `repository-damaged` naming the key. */
function parseKeyFile(id: Id, bytes: Buffer): StoredKey {
  const damaged = (why: string) => new LifeboatError('repository-damaged', `key file ${id} ${why}`);
  let value: Partial<KeyFile>;
  try {
    value = JSON.parse(bytes.toString('utf8')) as Partial<KeyFile>;
  } catch (error) {
    throw new LifeboatError('repository-damaged', `key file ${id} is not JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null) throw damaged('is not a JSON object');
  const { N, r, p, kdf, salt, data } = value;
  if (kdf !== 'scrypt') throw damaged(`uses the key derivation ${JSON.stringify(kdf)}; only scrypt is known`);
  const positive = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) > 0;
  if (!positive(N) || !positive(r) || !positive(p) || N < 2 || (N & (N - 1)) !== 0 || p > 1024)
    throw damaged('has invalid scrypt parameters');
  if (128 * N * r > foreignMemoryBytesMax)
    throw damaged(`asks for ${Math.round((128 * N * r) / 2 ** 30)} GiB of memory, more than any honest key`);
  if (typeof salt !== 'string' || typeof data !== 'string') throw damaged('has no salt or no data');
  if (Buffer.from(salt, 'base64').length !== saltBytes) throw damaged('has a salt of the wrong length');
  return {
    id,
    N,
    r,
    p,
    kdf,
    salt,
    data,
    created: String(value.created ?? ''),
    username: String(value.username ?? ''),
    hostname: String(value.hostname ?? ''),
  };
}

interface KeyFiles {
  /** Oldest first. */
  readonly keys: StoredKey[];
  /** Why others cannot be read. */
  readonly problems: LifeboatError[];
}

/** A key file; null where another process removed it meanwhile. @throws LifeboatError `repository-damaged`. */
async function readKey(storage: Storage, id: Id): Promise<StoredKey | null> {
  try {
    return parseKeyFile(id, await storage.load(keyOf('keys', id)));
  } catch (error) {
    if (!hasCode(error, 'storage-missing-file')) throw error;
    return null;
  }
}

async function readKeys(storage: Storage): Promise<KeyFiles> {
  const keys: StoredKey[] = [];
  const problems: LifeboatError[] = [];
  const listed = (await storage.list('keys/')).map(({ key }) => idOfKey(key)).filter((id) => id !== null);
  const waiting = [...listed];
  await runBounded(storage.connections, () => {
    const id = waiting.pop();
    if (id === undefined) return null;
    return readKey(storage, id).then(
      (key) => void (key && keys.push(key)),
      (error: unknown) => {
        // A damaged one must not lock the others out.
        if (!hasCode(error, 'repository-damaged')) throw error;
        problems.push(error);
      },
    );
  });
  return { keys: keys.sort((a, b) => (a.created < b.created ? -1 : 1)), problems };
}

export interface OpenedKey {
  readonly id: Id;
  readonly master: MasterKey;
}

/** null where the password does not open it. @throws LifeboatError `repository-damaged`. */
async function tryKey(key: StoredKey, password: string): Promise<OpenedKey | null> {
  const derived = await deriveKey(password, Buffer.from(key.salt, 'base64'), key);
  const json = createSealer(derived).open(Buffer.from(key.data, 'base64'));
  if (!json) return null;
  const master = parseMasterKey(Buffer.from(json).toString('utf8'));
  if (!master)
    throw new LifeboatError('repository-damaged', `key file ${key.id} holds an invalid master key`);
  return { id: key.id, master };
}

/** The key of that very ID, which need not be listed first; null where it is none, or not for this password. */
async function tryHinted(storage: Storage, password: string, id: Id): Promise<OpenedKey | null> {
  const key = await readKey(storage, id).catch((error: unknown) => {
    if (!hasCode(error, 'repository-damaged')) throw error;
    return null; // another key may do; where none does, this one is told of among them
  });
  return key && tryKey(key, password);
}

/**
 * Finds the key that a password opens, the hinted one first.
 * @param hint the ID of a key, or the beginning of one.
 * @throws LifeboatError `password-wrong`, or `repository-damaged` where no key file can be read.
 */
export async function openKey(storage: Storage, password: string, hint?: string): Promise<OpenedKey> {
  const hinted = hint && isId(hint) ? hint : null;
  const found = hinted && (await tryHinted(storage, password, hinted));
  if (found) return found;
  const { keys, problems } = await readKeys(storage);
  const [problem] = problems;
  if (keys.length === 0) {
    if (problem) throw problem;
    throw new LifeboatError('repository-damaged', `the repository at ${storage.location} has no key files`, {
      hint: 'without a key file nothing can be decrypted; bring back the folder keys/ from a copy',
    });
  }
  if (hint) keys.sort((a, b) => Number(b.id.startsWith(hint)) - Number(a.id.startsWith(hint)));
  for (const key of keys) {
    if (key.id === hinted) continue;
    const opened = await tryKey(key, password);
    if (opened) return opened;
  }
  const alsoDamaged = problem ? `; besides, ${problem.message}` : '';
  throw new LifeboatError(
    'password-wrong',
    `wrong password: none of the ${keys.length} keys of ${storage.location} opens with it${alsoDamaged}`,
  );
}

export interface KeyOwner {
  readonly username?: string;
  readonly hostname?: string;
}

/** Stores the master key under a further password. The new key is read back before this resolves. */
export async function addKey(
  storage: Storage,
  master: MasterKey,
  password: string,
  owner: KeyOwner = {},
): Promise<Id> {
  calibrated ??= calibrate();
  const cost = await calibrated;
  const salt = randomBytes(saltBytes);
  const sealed = createSealer(await deriveKey(password, salt, cost)).seal(encodeMasterKey(master));
  const now = Date.now();
  const file: KeyFile = {
    created: formatTime(Math.floor(now / 1000), (now % 1000) * 1e6),
    username: owner.username || userInfo().username,
    hostname: owner.hostname || hostname(),
    kdf: 'scrypt',
    ...cost,
    salt: salt.toString('base64'),
    data: sealed.toString('base64'),
  };
  const bytes = Buffer.from(JSON.stringify(file));
  const id = createHash('sha256').update(bytes).digest('hex') as Id;
  await storage.save(keyOf('keys', id), [bytes], { sha256: id });
  const readBack = await storage.load(keyOf('keys', id));
  if (!readBack.equals(bytes)) {
    throw new LifeboatError(
      'storage-failed',
      `the key file ${id} read back from ${storage.location} differs from what was written`,
    );
  }
  return id;
}
