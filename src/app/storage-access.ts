import { LifeboatError, messageOf } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import type { Traffic } from '../model/traffic.ts';
import type { Retrying } from '../storage/layers/retry.ts';
import type { Storage } from '../storage/storage.ts';
import type { CacheSettings } from './local-cache.ts';

/** How storages are reached: what options, environment and configuration say beside the location. */
export interface StorageAccess {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As `-o s3.region=eu-west-1` gives them; of a key given twice the last counts. */
  readonly options: readonly (readonly [key: string, value: string])[];
  /** Files with certificates (PEM) of authorities to trust in place of the system's. */
  readonly authorityFiles: readonly string[];
  /** File with a certificate and its key (PEM) that this client shows. */
  readonly clientCertificateFile: string | null;
  readonly insecureTls: boolean;
  /** null: as fast as the network. */
  readonly uploadBytesPerSecond: number | null;
  readonly downloadBytesPerSecond: number | null;
  /** A request that moves no byte for this long is given up and sent again. */
  readonly stuckMs: number;
  readonly userAgent: string;
  /** null: nothing is kept on this machine. */
  readonly cache: CacheSettings | null;
  /** What each storage that is reached is asked for is counted here. */
  readonly traffic: Traffic[];
  /** Told of each request by its name in the provider's API, of drivers that send several for one operation. */
  readonly onRequest?: (name: string) => void;
  /** Ends tries again; absent: nothing does. */
  readonly signal?: AbortSignal;
  readonly onRetry?: (retrying: Retrying) => void;
  /** Takes a secret that was looked up out of everything that is printed from now on. */
  readonly hide?: (secret: string) => void;
  readonly warn?: (message: string) => void;
  /** Put around the storage that is reached, below what is kept at hand on this machine. */
  readonly layer?: (storage: Storage) => Storage;
  /** The access whose limits this one shares. */
  readonly shares?: StorageAccess;
}

/** What holds where nobody said otherwise. */
export function plainAccess(env: StorageAccess['env'] = process.env): StorageAccess {
  return {
    env,
    options: [],
    authorityFiles: [],
    clientCertificateFile: null,
    insecureTls: false,
    uploadBytesPerSecond: null,
    downloadBytesPerSecond: null,
    stuckMs: 5 * 60_000,
    userAgent: 'lifeboat',
    cache: null,
    traffic: [],
  };
}

/** Of each option of a storage, what its text means; throws an Error that says what was expected. */
export type StorageOptionTable = Readonly<Record<string, (text: string) => unknown>>;

export type StorageOptionValues<T extends StorageOptionTable> = {
  readonly [K in keyof T]?: ReturnType<T[K]>;
};

/**
 * The options of one kind of storage, such as `region` of `s3.region`.
 *
 * @throws LifeboatError `usage` for an unknown one (with the nearest known) and for a wrong value.
 */
export function optionsOf<const T extends StorageOptionTable>(
  kind: string,
  table: T,
  { options }: Pick<StorageAccess, 'options'>,
): StorageOptionValues<T> {
  const values: Record<string, unknown> = {};
  for (const [key, text] of options) {
    if (!key.startsWith(`${kind}.`)) continue;
    const name = key.slice(kind.length + 1);
    const parse = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!parse) {
      const near = nearest(name, Object.keys(table));
      throw new LifeboatError(
        'usage',
        `there is no option ${key}${near ? `; did you mean ${kind}.${near}?` : ''}`,
        {
          hint: `known are ${Object.keys(table)
            .map((known) => `${kind}.${known}`)
            .join(', ')}`,
        },
      );
    }
    try {
      values[name] = parse(text);
    } catch (error) {
      throw new LifeboatError(
        'usage',
        `invalid value ${JSON.stringify(text)} for the option ${key}: ${messageOf(error)}`,
      );
    }
  }
  return values as StorageOptionValues<T>;
}

export const wholeFrom =
  (min: number) =>
  (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min)) throw new Error(`expected a whole number of at least ${min}`);
    return number;
  };

export const oneOf =
  <const T extends readonly string[]>(...choices: T) =>
  (text: string): T[number] => {
    if (!choices.includes(text)) throw new Error(`expected one of ${choices.join(', ')}`);
    return text;
  };

export function truth(text: string): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new Error('expected true or false');
}
