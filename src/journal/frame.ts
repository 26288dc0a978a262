import { hash } from 'node:crypto';
import { LifeboatError, messageOf } from '../core/errors.ts';
import type { Storage } from '../storage/storage.ts';
import type { Envelope } from './envelope.ts';
import { nameHashDigits } from './layout.ts';

/**
 * What is sealed as one object (docs/journal-format.md "Content"): the number of bytes of the facts in four
 * bytes, big-endian; the facts as JSON in UTF-8; then the bytes.
 */

const lengthBytes = 4;
const factsBytesMax = 65536;

/** The digits of an object's name that tell its content. */
export function nameHash(stored: Uint8Array): string {
  return hash('sha256', stored, 'hex').slice(0, nameHashDigits);
}

/** Seals facts and bytes. @returns the bytes to store and the hash for their name. */
export async function sealFrame(
  envelope: Envelope,
  facts: object,
  bytes: Uint8Array,
): Promise<{ readonly stored: Uint8Array; readonly hash: string }> {
  const json = Buffer.from(JSON.stringify(facts), 'utf8');
  const head = Buffer.allocUnsafe(lengthBytes + json.length);
  head.writeUInt32BE(json.length);
  json.copy(head, lengthBytes);
  const stored = await envelope.seal([head, bytes]);
  return { stored, hash: nameHash(stored) };
}

export interface OpenedFrame {
  /** JSON as parsed, of any shape. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** A view of the opened memory. */
  readonly bytes: Buffer;
}

/**
 * Loads an object as it is stored, and verifies its hash against its name.
 * @throws LifeboatError `journal-damaged`; `storage-missing-file` and other errors of the storage as they are.
 */
export async function loadStored(storage: Storage, key: string, hash: string): Promise<Uint8Array> {
  const stored = await storage.load(key);
  if (nameHash(stored) !== hash)
    throw new LifeboatError(
      'journal-damaged',
      `${key} is damaged: its content has another hash than its name says`,
    );
  return stored;
}

/** As `loadStored`; opens the object as well and verifies its tag and its frame. */
export async function loadFrame(
  storage: Storage,
  envelope: Envelope,
  key: string,
  hash: string,
): Promise<OpenedFrame> {
  return openFrame(envelope, await loadStored(storage, key, hash), key);
}

/** Opens an object whose name tells nothing of its content. @throws LifeboatError `journal-damaged`. */
export async function openFrame(envelope: Envelope, stored: Uint8Array, key: string): Promise<OpenedFrame> {
  return splitFrame(await envelope.open(stored, key), key);
}

function splitFrame(plain: Uint8Array, key: string): OpenedFrame {
  const view = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const length = view.length >= lengthBytes ? view.readUInt32BE() : factsBytesMax + 1;
  if (length > factsBytesMax || lengthBytes + length > view.length)
    throw new LifeboatError('journal-damaged', `${key} does not begin with facts`);
  let facts: unknown;
  try {
    facts = JSON.parse(view.toString('utf8', lengthBytes, lengthBytes + length));
  } catch (error) {
    throw new LifeboatError('journal-damaged', `the facts of ${key} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (typeof facts !== 'object' || facts === null)
    throw new LifeboatError('journal-damaged', `the facts of ${key} are no object`);
  return { facts: facts as Record<string, unknown>, bytes: view.subarray(lengthBytes + length) };
}
