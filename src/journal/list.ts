import type { JournalStream, Piece } from '../model/journal.ts';
import type { Lsn, Timeline } from '../model/wal.ts';
import type { JournalPlace } from './envelope.ts';
import {
  folderDigits,
  folderPrefix,
  journalPrefix,
  parseHistoryKey,
  parsePieceKey,
  type StoredHistory,
  sourcePrefix,
  streamOfKey,
  streamPrefix,
} from './layout.ts';

export interface ListOptions {
  readonly timeline?: Timeline;
  /** Only folders (4 GiB of log each) that hold bytes from here on. */
  readonly from?: Lsn;
  /** Only folders that hold bytes up to and including this one. */
  readonly to?: Lsn;
}

/** A range of more folders than this is listed as a whole and then sifted. */
const foldersMax = 256;

const folderOf = (lsn: Lsn): bigint => lsn >> 32n;
const hex8 = (value: number | bigint): string => value.toString(16).toUpperCase().padStart(8, '0');

/** Sorted by timeline, position and offset; of two that begin together the longer one first. */
export function comparePieces(a: Piece, b: Piece): number {
  if (a.unit !== b.unit) return a.unit < b.unit ? -1 : 1;
  return a.from - b.from || b.to - a.to || (a.hash < b.hash ? -1 : 1);
}

/** Names of sources with a journal in this place. Lists everything. */
export async function listSources(place: JournalPlace): Promise<string[]> {
  const found = await place.storage.list(journalPrefix);
  return [...new Set(found.flatMap(({ key }) => (streamOfKey(key) ? [key.split('/')[2]!] : [])))].sort();
}

/** The streams of a source, such as the system identifiers of its clusters. Lists all of its journal. */
export async function listStreams(place: JournalPlace, source: string): Promise<JournalStream[]> {
  return (await listJournal(place, source)).map(({ stream }) => stream);
}

export interface ListedStream {
  readonly stream: JournalStream;
  /** Sorted. */
  readonly pieces: readonly Piece[];
  readonly histories: readonly StoredHistory[];
}

/** All of a source's journal with one listing. */
export async function listJournal(place: JournalPlace, source: string): Promise<ListedStream[]> {
  const streams = new Map<string, { pieces: Piece[]; histories: StoredHistory[] }>();
  for (const { key, size } of await place.storage.list(sourcePrefix(source))) {
    const name = streamOfKey(key);
    const piece = parsePieceKey(key, size);
    const history = parseHistoryKey(key, size);
    if (name === null || (!piece && !history)) continue;
    const found = streams.get(name) ?? { pieces: [], histories: [] };
    streams.set(name, found);
    if (piece) found.pieces.push(piece);
    if (history) found.histories.push(history);
  }
  return [...streams]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([stream, { pieces, histories }]) => ({
      stream: { source, stream },
      pieces: pieces.sort(comparePieces),
      histories: histories.sort((a, b) => a.timeline - b.timeline),
    }));
}

/**
 * The pieces of a stream, sorted. With a timeline and both ends only the folders between them are listed;
 * otherwise all of the stream is listed and sifted. Pieces beyond the ends may be among them, up to the end of a folder.
 */
export async function listPieces(
  place: JournalPlace,
  stream: JournalStream,
  options: ListOptions = {},
): Promise<Piece[]> {
  const { timeline, from, to } = options;
  const lowest = from === undefined ? null : folderOf(from);
  const highest = to === undefined ? null : folderOf(to);
  const listed = await listFolders(place, stream, timeline, lowest, highest);
  return listed
    .flatMap(({ key, size }) => parsePieceKey(key, size) ?? [])
    .filter(({ unit }) => {
      const folder = BigInt(`0x${unit.slice(8, folderDigits)}`);
      if (timeline !== undefined && Number.parseInt(unit.slice(0, 8), 16) !== timeline) return false;
      return (lowest === null || folder >= lowest) && (highest === null || folder <= highest);
    })
    .sort(comparePieces);
}

async function listFolders(
  place: JournalPlace,
  stream: JournalStream,
  timeline: Timeline | undefined,
  lowest: bigint | null,
  highest: bigint | null,
): Promise<{ readonly key: string; readonly size: number }[]> {
  const prefix = streamPrefix(stream);
  const known = timeline !== undefined && lowest !== null && highest !== null;
  if (!known || highest - lowest >= foldersMax) return place.storage.list(prefix);
  const lists: Promise<{ readonly key: string; readonly size: number }[]>[] = [];
  for (let folder = lowest; folder <= highest; folder++)
    lists.push(place.storage.list(`${prefix}${hex8(timeline)}${hex8(folder)}/`));
  return (await Promise.all(lists)).flat();
}

/** The pieces of one unit, sorted. */
export async function listUnit(place: JournalPlace, stream: JournalStream, unit: string): Promise<Piece[]> {
  const { storage } = place;
  if (!storage.listBeginning) return piecesOfUnit(await listFolder(place, stream, unit), unit);
  return sortedPieces(await storage.listBeginning(folderPrefix(stream, unit), `${unit}-`));
}

/** The pieces of all units that share a folder with this one. */
export async function listFolder(place: JournalPlace, stream: JournalStream, unit: string): Promise<Piece[]> {
  return sortedPieces(await place.storage.list(folderPrefix(stream, unit)));
}

function sortedPieces(listed: readonly { readonly key: string; readonly size: number }[]): Piece[] {
  return listed.flatMap(({ key, size }) => parsePieceKey(key, size) ?? []).sort(comparePieces);
}

export function piecesOfUnit(pieces: readonly Piece[], unit: string): Piece[] {
  return pieces.filter((piece) => piece.unit === unit);
}
