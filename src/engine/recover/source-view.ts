import type { Lsn, WalRange } from '../../model/wal.ts';
import type { BackupPoint } from './backup-points.ts';
import type { Histories, Leg } from './timelines.ts';

/** What the repositories hold of one cluster, as the plan and the windows need it. No contents. */
export interface ClusterView {
  readonly source: string;
  /** System identifier in decimal. */
  readonly system: string;
  readonly segmentBytes: number;
  /** Of all repositories, oldest first. */
  readonly backups: readonly BackupPoint[];
  /** Of all repositories together: any of them will do for any part of the log. */
  readonly ranges: readonly WalRange[];
  readonly histories: Histories;
}

/** Something in the log at which recovery can stop. */
export interface FoundMark {
  readonly lsn: Lsn;
  /** With the log up to here recovery sees it. */
  readonly endLsn: Lsn;
  readonly timeMs: number;
}

export type SoughtMark =
  | { readonly kind: 'xid'; readonly xid: bigint }
  | { readonly kind: 'name'; readonly name: string };

/** A part of the log along legs, held without a gap. */
export interface Stretch {
  readonly legs: readonly Leg[];
  readonly start: Lsn;
  readonly end: Lsn;
}

/** Answers that need pieces of the journal to be read. Each reads as few as it can. */
export interface LogReader {
  /**
   * With the log up to the LSN returned, recovery sees a commit or abort later than the time (or, where `atOrAfter`,
   * not earlier); null where the stretch holds none.
   */
  commitAfter(stretch: Stretch, microseconds: bigint, atOrAfter: boolean): Promise<Lsn | null>;
  /**
   * The server's clock when all of its log up to the end of the stretch was known to be there, milliseconds since
   * 1970; null where it was not told.
   */
  completeUntilMs(stretch: Stretch): Promise<number | null>;
  /** Whether a whole record of the stretch begins at `lsn` or later. Reads all of it from there on. */
  recordFrom(stretch: Stretch, lsn: Lsn): Promise<boolean>;
  /** The time of the last commit or abort of the stretch; null where it has none. */
  lastCommitMs(stretch: Stretch): Promise<number | null>;
  /** The first such mark of the stretch. Reads all of it up to there. */
  find(stretch: Stretch, mark: SoughtMark): Promise<FoundMark | null>;
}
