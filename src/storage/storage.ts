import type { Retention } from '../model/retention.ts';
import type { Archive } from './archive.ts';
import type { Bucket } from './bucket.ts';
import type { Vault } from './vault.ts';

/** What is known of content that is saved or loaded. */
export interface ContentFacts {
  /** SHA-256 in hexadecimal: storages that check what arrives need not compute it. */
  readonly sha256?: string;
  /** A pack of trees, which most commands read, unlike packs of file content. */
  readonly holdsTrees?: boolean;
  /** Refuse with `storage-exists` where the key is taken. A storage that cannot do both in one step replaces what is there. */
  readonly isFirst?: boolean;
  /** In place of what the storage gives what is saved. Only for storages with a `vault`. */
  readonly retention?: Retention;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where bytes rest: a flat namespace of immutable objects named by slash-separated keys
 * (`config`, `keys/<id>`, `data/ab/<id>`, `lifeboat/…`). Keys are ASCII, never absolute and never hold `..`.
 *
 * Every method rejects with a LifeboatError: `storage-missing-file` for an absent object (permanent), `storage-exists`
 * for one that was not to be there,
 * `storage-full`, `storage-denied` (permanent), `storage-failed` (retryable); storages elsewhere also
 * `storage-unreachable`, `storage-throttled` (retryable), `storage-credentials`, `storage-bucket-missing`,
 * `storage-clock-skew`, `storage-tls`, `storage-settings` and `storage-archived` (permanent).
 */
export interface Storage {
  /** For messages; holds no secret. */
  readonly location: string;
  /** How many requests may usefully run at once. */
  readonly connections: number;

  /** Creates whatever the storage needs before the first save (folders, bucket prefix). Idempotent. */
  create(): Promise<void>;

  /**
   * Stores an object durably and atomically: after it resolves the bytes survive a power loss; before,
   * nothing is visible under the key. Saving an existing key replaces it with the same guarantee.
   * @param parts the content, concatenated.
   * @param facts what the caller knows of it anyway.
   */
  save(key: string, parts: readonly Uint8Array[], facts?: ContentFacts): Promise<void>;

  /**
   * Reads an object, or `length` bytes of it from `offset`. Shorter than asked where the object ends.
   * @param facts what the caller knows of it anyway, for layers that keep some content at hand.
   */
  load(key: string, range?: ByteRange, facts?: ContentFacts): Promise<Buffer>;

  /** Size in bytes, or null where there is no such object. */
  size(key: string): Promise<number | null>;

  /**
   * All objects whose key starts with `prefix` (which ends in `/`), in no particular order. An absent
   * folder is an empty list. Temporary files of unfinished saves are not listed.
   */
  list(prefix: string): Promise<{ readonly key: string; readonly size: number }[]>;

  /**
   * As `list` of a folder, for the few objects in it whose names begin so. Absent where telling them from the others
   * is no cheaper than listing all.
   */
  listBeginning?(
    folder: string,
    beginning: string,
  ): Promise<{ readonly key: string; readonly size: number }[]>;

  /**
   * Deletes an object. Rejects with `storage-missing-file` where there is none, unless the storage cannot tell
   * (`tellsAbsentRemovals` is false): then it resolves.
   */
  remove(key: string): Promise<void>;

  /** False where deleting what is not there looks like deleting, as on S3. Default: true. */
  readonly tellsAbsentRemovals?: boolean;

  /**
   * Removes what saves that were killed left behind, where that takes room though no object shows it (unfinished
   * uploads). What began less than `olderThanMs` ago stays: another process may be at it. Absent: there is no such thing.
   *
   * @returns how many were removed.
   */
  sweep?(olderThanMs: number): Promise<number>;

  /** What can be asked of the bucket that it lies in. Absent where there is none. */
  readonly bucket?: Bucket;

  /** Classes of its objects. Absent where there is but one, whose objects can all be read at once. */
  readonly archive?: Archive;

  /** Protection that the storage itself enforces. Absent where it has none, whatever its settings. */
  readonly vault?: Vault;

  /** Path of a local file that worker threads may read directly, or null where there is none. */
  localPath(key: string): string | null;

  /**
   * Path of a copy on this machine whose content was proven, or null. It may vanish at any time: who cannot read it
   * loads the object.
   */
  copyPath?(key: string): string | null;
}
