import { LifeboatError } from '../core/errors.ts';
import type { JournalStream, Piece } from '../model/journal.ts';
import { historyName, parseHistoryName, type Timeline } from '../model/wal.ts';

/** Names of a journal's objects (docs/journal-format.md "Names"). */

/** Digits of an object's hash that stand in its name. */
export const nameHashDigits = 32;
/** Digits of a unit that name its folder: timeline and the upper half of the LSN, so 4 GiB of log. */
export const folderDigits = 16;

const root = 'lifeboat/journal';
const safeName = /^[A-Za-z0-9_][A-Za-z0-9._@+-]*$/;
const pieceName = /^([0-9A-F]{24})-([0-9A-F]{8})-([0-9A-F]{8})\.([0-9a-f]{32})$/;
const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

/** What identifies a piece apart from the bytes that were stored for it. */
export type PieceName = Pick<Piece, 'unit' | 'from' | 'to' | 'hash'>;

function checked(what: string, name: string): string {
  if (!safeName.test(name))
    throw new LifeboatError('usage', `the ${what} ${JSON.stringify(name)} cannot name a journal`, {
      hint: 'use letters, digits and . _ @ + -, beginning with a letter, a digit or _',
    });
  return name;
}

/** Prefix of all streams of a source. @throws LifeboatError `usage` for a name that cannot be part of a key. */
export function sourcePrefix(source: string): string {
  return `${root}/${checked('source', source)}/`;
}

/** Prefix of everything of a stream. */
export function streamPrefix({ source, stream }: JournalStream): string {
  return `${sourcePrefix(source)}${checked('stream', stream)}/`;
}

/** Prefix of the pieces of 4 GiB of log: those of all units that share the first 16 digits with this one. */
export function folderPrefix(stream: JournalStream, unit: string): string {
  return `${streamPrefix(stream)}${unit.slice(0, folderDigits)}/`;
}

export function pieceKey(stream: JournalStream, { unit, from, to, hash }: PieceName): string {
  return `${folderPrefix(stream, unit)}${unit}-${hex8(from)}-${hex8(to)}.${hash}`;
}

/** The piece of a listed object, or null where it is none. */
export function parsePieceKey(key: string, size: number): Piece | null {
  const parts = key.split('/');
  const match = pieceName.exec(parts.at(-1)!);
  if (!match || parts.at(-2) !== match[1]!.slice(0, folderDigits)) return null;
  const from = Number.parseInt(match[2]!, 16);
  const to = Number.parseInt(match[3]!, 16);
  return from < to ? { unit: match[1]!, from, to, hash: match[4]!, size } : null;
}

export function historyPrefix(stream: JournalStream): string {
  return `${streamPrefix(stream)}history/`;
}

/** A timeline history file, stored as one object. */
export interface StoredHistory {
  readonly timeline: Timeline;
  readonly hash: string;
  /** Of the stored object, bytes. */
  readonly size: number;
}

export function historyKey(
  stream: JournalStream,
  { timeline, hash }: Pick<StoredHistory, 'timeline' | 'hash'>,
): string {
  return `${historyPrefix(stream)}${historyName(timeline)}.${hash}`;
}

/** The history of a listed object, or null where it is none. */
export function parseHistoryKey(key: string, size: number): StoredHistory | null {
  const parts = key.split('/');
  const match = /^([0-9A-F]{8}\.history)\.([0-9a-f]{32})$/.exec(parts.at(-1)!);
  const timeline = match && parts.at(-2) === 'history' ? parseHistoryName(match[1]!) : null;
  return timeline === null ? null : { timeline, hash: match![2]!, size };
}

/** The one object of a stream that is replaced: until when its log is known to be whole. */
export function heartbeatKey(stream: JournalStream): string {
  return `${streamPrefix(stream)}heartbeat`;
}

export function isHeartbeatKey(key: string): boolean {
  return key.startsWith(`${root}/`) && key.split('/').length === 5 && key.endsWith('/heartbeat');
}

/** The stream of a listed object of `sourcePrefix`, or null for what belongs to none. */
export function streamOfKey(key: string): string | null {
  const parts = key.split('/');
  return parts.length > 4 ? parts[3]! : null;
}

/** Every source that an object of the journal may belong to, as the prefix of them all. */
export const journalPrefix = `${root}/`;
