import type { Lsn } from '../../model/wal.ts';
import type { WalMark } from '../../sources/postgres/wal/scanner.ts';

/** The times at which transactions ended, by where their records end in the log. */
export interface CommitTimes {
  add(marks: readonly WalMark[]): void;
  /** Of the records that end in (from, to]. Forgets everything up to `to`: pieces are asked for in their order. */
  take(from: Lsn, to: Lsn): { readonly firstCommitMs: number | null; readonly lastCommitMs: number | null };
}

export function createCommitTimes(): CommitTimes {
  let waiting: { readonly endLsn: Lsn; readonly timeMs: number }[] = [];
  return {
    add(marks) {
      for (const { kind, endLsn, timeMs } of marks)
        if (kind !== 'restore-point') waiting.push({ endLsn, timeMs });
    },
    take(from, to) {
      let count = 0;
      while (count < waiting.length && waiting[count]!.endLsn <= to) count++;
      const taken = waiting.slice(0, count).filter(({ endLsn }) => endLsn > from);
      waiting = waiting.slice(count);
      return { firstCommitMs: taken[0]?.timeMs ?? null, lastCommitMs: taken.at(-1)?.timeMs ?? null };
    },
  };
}
