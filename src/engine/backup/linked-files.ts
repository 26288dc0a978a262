import type { FileOutcome } from '../../repository/workers/protocol.ts';
import type { FileStat } from '../../sources/files/stat.ts';

/**
 * A file with several names is read once. Another name of it takes over the content, but only where the file
 * still is what it was when it was read: a name that was looked at after a change is read by itself, or its
 * node would tell of a time that its content is not of.
 */
export interface LinkedFiles<T> {
  /** What to do about a file that has other names. */
  meet(file: T): Meeting;
  /** Takes the outcome of a file that was to be read for all its names. @returns those that wait for it. */
  read(file: T, outcome: FileOutcome): LinkedOutcome<T>;
}

/** Read it, wait until it was read under another name, or take what was found there. */
export type Meeting = 'read' | 'wait' | FileOutcome;

export interface LinkedOutcome<T> {
  readonly waiting: readonly T[];
  /** For those that wait; null where each has to be read by itself. */
  readonly outcome: FileOutcome | null;
}

interface Known<T> {
  readonly stat: FileStat;
  readonly waiting: T[];
  outcome: FileOutcome | null;
  /** Names not met yet; then nobody will ask any more. */
  namesLeft: number;
}

const keyOf = ({ dev, ino }: FileStat): string => `${dev}:${ino}`;

function isSame(one: FileStat, other: FileStat): boolean {
  return (
    one.size === other.size &&
    one.mtimeSec === other.mtimeSec &&
    one.mtimeNsec === other.mtimeNsec &&
    one.ctimeSec === other.ctimeSec &&
    one.ctimeNsec === other.ctimeNsec
  );
}

export function createLinkedFiles<T extends { readonly stat: FileStat }>(): LinkedFiles<T> {
  const known = new Map<string, Known<T>>();
  /** Files under way for all their names. */
  const readers = new Map<T, Known<T>>();

  return {
    meet(file) {
      const { stat } = file;
      const key = keyOf(stat);
      const link = known.get(key);
      if (!link) {
        const first: Known<T> = { stat, waiting: [], outcome: null, namesLeft: stat.nlink - 1 };
        known.set(key, first);
        readers.set(file, first);
        return 'read';
      }
      if (--link.namesLeft === 0) known.delete(key);
      if (!isSame(link.stat, stat)) return 'read';
      if (link.outcome) return link.outcome;
      link.waiting.push(file);
      return 'wait';
    },
    read(file, outcome) {
      const link = readers.get(file);
      if (!link) return { waiting: [], outcome: null };
      readers.delete(file);
      const waiting = link.waiting.splice(0);
      // The name may have been the trouble, and a file that changed has to be looked at under each.
      if (outcome.problem || outcome.state !== 'same') {
        const key = keyOf(link.stat);
        if (known.get(key) === link) known.delete(key);
        return { waiting, outcome: null };
      }
      link.outcome = { ...outcome, content: outcome.content?.slice() ?? null, newBytes: 0, packedBytes: 0 };
      return { waiting, outcome: link.outcome };
    },
  };
}
