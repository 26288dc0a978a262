/** What is asked of a storage after each save: `list`: the size, and the content of a sample; `read`: all content. */
export type ProofMode = 'list' | 'read';

/** What a storage was proven to hold. */
export interface ProofCounts {
  readonly objects: number;
  readonly bytes: number;
  /** Those of them whose content was read back and compared. */
  readonly readBack: number;
  readonly readBackBytes: number;
}

export const nothingProven: ProofCounts = { objects: 0, bytes: 0, readBack: 0, readBackBytes: 0 };
