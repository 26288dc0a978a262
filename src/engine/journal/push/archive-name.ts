import { parseHistoryName, type Timeline } from '../../../model/wal.ts';

/** Files that PostgreSQL hands to archive_command (src/include/access/xlog_internal.h, pgarch.h). */
export type ArchiveName =
  /** A whole segment; `partial`: the last one of a timeline that was left, up to where it was left. */
  | { readonly kind: 'segment' | 'partial'; readonly unit: string }
  | { readonly kind: 'history'; readonly timeline: Timeline }
  /** Says where a backup began and ended. Our snapshots say so themselves: it is not kept. */
  | { readonly kind: 'backup-history' };

/** @returns null for a name that archive_command is never given. */
export function parseArchiveName(name: string): ArchiveName | null {
  const unit = /^[0-9A-F]{24}/.exec(name)?.[0];
  if (unit !== undefined) {
    if (name === unit) return { kind: 'segment', unit };
    if (name === `${unit}.partial`) return { kind: 'partial', unit };
    return /^\.[0-9A-F]{8}\.backup$/.test(name.slice(unit.length)) ? { kind: 'backup-history' } : null;
  }
  const timeline = parseHistoryName(name);
  return timeline === null ? null : { kind: 'history', timeline };
}

/** Histories first, as whoever follows a timeline needs them; then in the log's order. */
export function compareArchiveNames(a: string, b: string): number {
  const order = Number(b.endsWith('.history')) - Number(a.endsWith('.history'));
  return order || (a < b ? -1 : a > b ? 1 : 0);
}
