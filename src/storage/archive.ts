import type { ClassedObject, ThawSpeed, ThawState } from '../model/storage-class.ts';

/**
 * Classes of objects, and how objects come back from those that cannot be read at once. The state of all of it is
 * with the objects, so whoever asks again is told how far it is. Every method rejects as those of `Storage` do.
 */
export interface Archive {
  /** As `list` of the storage, with classes. @param max so many objects at most, whichever come first. Idempotent. */
  list(prefix: string, max?: number): Promise<readonly ClassedObject[]>;

  /** Whether an object can be read now. @throws LifeboatError `storage-missing-file`. Idempotent. */
  state(key: string): Promise<ThawState>;

  /**
   * Asks for a copy that can be read, for so many days; where there is one already its days begin anew.
   * Where the storage is at it already nothing happens.
   *
   * @throws LifeboatError `storage-settings` where the class knows no such speed, `thaw-incomplete` where the
   *   storage has no room for expedited requests now.
   */
  request(key: string, wanted: { readonly days: number; readonly speed: ThawSpeed }): Promise<void>;

  /** The value of one of an object's tags, or null. @throws LifeboatError `storage-missing-file`. Idempotent. */
  mark(key: string, tag: string): Promise<string | null>;

  /** Sets one of an object's tags, or takes it away (null); other tags stay. Idempotent. */
  setMark(key: string, tag: string, value: string | null): Promise<void>;
}
