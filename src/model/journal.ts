/**
 * A journal is the log of a source in immutable pieces. For PostgreSQL a stream is one cluster (its system
 * identifier), a lane one timeline, a unit one WAL segment, and positions are LSNs.
 */

export interface JournalStream {
  /** Name of the source in the configuration. */
  readonly source: string;
  /** PostgreSQL: the system identifier in decimal. */
  readonly stream: string;
}

/**
 * A piece of one unit, stored as one object:
 * `lifeboat/journal/<source>/<stream>/<unit's first 16 digits>/<unit>-<from>-<to>.<hash>` with offsets of 8
 * hexadecimal digits and the first 32 hexadecimal digits of the SHA-256 of the stored bytes.
 */
export interface Piece {
  /** Name of the WAL segment. */
  readonly unit: string;
  /** Bytes of the unit, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  readonly hash: string;
  /** Of the stored object, bytes. */
  readonly size: number;
}

/** What is sealed with the bytes of a piece. */
export interface PieceFacts {
  readonly version: 1;
  readonly source: string;
  readonly stream: string;
  readonly unit: string;
  readonly from: number;
  readonly to: number;
  readonly unitBytes: number;
  /**
   * The source's clock, milliseconds since 1970 with fraction, of the first and last commit or abort record that ENDS in this piece;
   * null where there is none, or they were not looked for.
   */
  readonly firstCommitMs: number | null;
  readonly lastCommitMs: number | null;
  /** The source's clock when all of its log up to `to` was known to have been sent; null where it was not told. */
  readonly sentMs: number | null;
  /** RFC 3339, of the machine that stored it. */
  readonly storedAt: string;
}
