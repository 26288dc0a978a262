import type { Storage } from '../storage/storage.ts';

/** How objects of a journal are compressed and encrypted; `journalEnvelope` of the repository is one. */
export interface Envelope {
  /**
   * @param parts the content, concatenated; not touched once the promise has resolved.
   * @returns what to store. It was opened again and compared with the content.
   */
  seal(parts: readonly Uint8Array[]): Promise<Uint8Array>;
  /**
   * @param stored not touched.
   * @param name of the object, for messages.
   * @throws LifeboatError `journal-damaged` where it is not what was sealed with this key.
   */
  open(stored: Uint8Array, name: string): Promise<Uint8Array>;
}

/** A repository as the journal sees it. */
export interface JournalPlace {
  /** Of the repository, for events and messages. */
  readonly name: string;
  readonly storage: Storage;
  readonly envelope: Envelope;
}
