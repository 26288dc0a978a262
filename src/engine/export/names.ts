import { historyKey, parseHistoryKey, parsePieceKey, pieceKey } from '../../journal/layout.ts';
import type { Id } from '../../model/id.ts';
import { isId } from '../../model/id.ts';

/** What an export is made of, in the order in which it comes (docs/export.md "Format"). */

/** First of the first volume, and again as the last of all. */
export const manifestName = 'lifeboat/export.json';
const volumesFolder = 'lifeboat/export-volumes/';

/** More volumes than this are a mistake in the size. */
export const volumesMax = 99_999;

const numbered = (volume: number): string => String(volume).padStart(4, '0');

/** Stands first in each volume. */
export function volumeHeadName(volume: number): string {
  return `${volumesFolder}${numbered(volume)}.json`;
}

/** Stands last in each volume, with the hash of all before it. */
export function volumeEndName(volume: number): string {
  return `${volumesFolder}${numbered(volume)}-end.json`;
}

/** Files that an export holds, by the place of their kind in it. */
export const fileKinds = ['config', 'keys', 'data', 'journal', 'index', 'snapshots'] as const;
export type ExportedKind = (typeof fileKinds)[number];

/** To count files of each kind in. */
export function noFiles(): Record<ExportedKind, number> {
  return Object.fromEntries(fileKinds.map((kind) => [kind, 0])) as Record<ExportedKind, number>;
}

export type EntryName =
  | { readonly kind: 'manifest' }
  | { readonly kind: 'volume-head'; readonly volume: number }
  | { readonly kind: 'volume-end'; readonly volume: number }
  | { readonly kind: 'config' }
  | { readonly kind: 'keys' | 'data' | 'index' | 'snapshots'; readonly id: Id }
  /** `hash`: the digits of its SHA-256 that the name has; null for what is replaced in its place. */
  | { readonly kind: 'journal'; readonly hash: string | null };

/** What an entry of this name is, or null for names that no export has: those are never written anywhere. */
export function parseEntryName(name: string): EntryName | null {
  if (name === manifestName) return { kind: 'manifest' };
  if (name === 'config') return { kind: 'config' };
  if (name.startsWith(volumesFolder)) return parseVolumeName(name);
  if (name.startsWith('lifeboat/journal/')) return parseJournalName(name);
  const parts = name.split('/');
  const id = parts.at(-1)!;
  if (!isId(id)) return null;
  const [kind] = parts;
  if (kind === 'data') return name === `data/${id.slice(0, 2)}/${id}` ? { kind, id } : null;
  if (kind !== 'keys' && kind !== 'index' && kind !== 'snapshots') return null;
  return parts.length === 2 ? { kind, id } : null;
}

function parseVolumeName(name: string): EntryName | null {
  const match = /^(\d{4,5})(-end)?\.json$/.exec(name.slice(volumesFolder.length));
  const volume = Number(match?.[1]);
  if (!match || volume < 1 || numbered(volume) !== match[1]) return null;
  return { kind: match[2] === undefined ? 'volume-head' : 'volume-end', volume };
}

/** Names of sources and streams as the journal allows them, which are never `..`. */
const journalName =
  /^lifeboat\/journal\/([A-Za-z0-9_][A-Za-z0-9._@+-]*)\/([A-Za-z0-9_][A-Za-z0-9._@+-]*)\/(.+)$/;

function parseJournalName(name: string): EntryName | null {
  const match = journalName.exec(name);
  if (!match) return null;
  const [, source = '', stream = '', rest] = match;
  if (rest === 'heartbeat') return { kind: 'journal', hash: null };
  const piece = parsePieceKey(name, 0);
  if (piece && pieceKey({ source, stream }, piece) === name) return { kind: 'journal', hash: piece.hash };
  const history = parseHistoryKey(name, 0);
  if (history && historyKey({ source, stream }, history) === name)
    return { kind: 'journal', hash: history.hash };
  return null;
}
