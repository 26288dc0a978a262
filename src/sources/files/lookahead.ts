import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, joinPath } from '../../core/bytestring.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { U64 } from '../../model/node.ts';
import { type FileStat, statEntry } from './stat.ts';
import { listNames } from './targets.ts';

/**
 * Looks at folders before they are needed: while a repository's key is derived and its lock settles, this
 * thread has nothing else to do. What it saw is handed out once, and is at most seconds old; a file that
 * changes after that is noticed when it is read, or at the next backup, as with any walk.
 */
export interface SeenFolder {
  /** performance.now() when it was looked at. */
  readonly atMs: number;
  /** In the order of their bytes. */
  readonly names: readonly ByteString[];
  /** What lstat said of each; null where it failed, or where nobody looked yet. */
  readonly stats: readonly (FileStat | null)[];
}

export interface Lookahead {
  /** Ends looking ahead; what was seen stays. */
  stop(): void;
  /** What was seen of a folder, once; null where it was not looked at. */
  take(path: ByteString): SeenFolder | null;
}

export const noLookahead: Lookahead = { stop: () => {}, take: () => null };

/** Enough for what fits into the time there is, and a bound on memory. */
const entriesMax = 150_000;
const turnMs = 5;
/** What is older is looked at again: somebody may have been typing a password for long. */
const ageMaxMs = 10_000;

/**
 * @param keepPath what the backup will leave out is not looked at either. Other file systems are not entered:
 *   nobody waits for a slow one before it is needed.
 */
export function lookAhead(roots: readonly ByteString[], keepPath: (path: ByteString) => boolean): Lookahead {
  const seen = new Map<ByteString, SeenFolder>();
  const waiting: { path: ByteString; device: U64 }[] = [];
  for (const path of roots.toReversed()) {
    const stat = statOrNull(path);
    if (stat && typeOfStatMode(stat.mode) === 'dir') waiting.push({ path, device: stat.dev });
  }
  let entries = 0;
  let stopped = false;

  function look(path: ByteString, device: U64): void {
    const names = listNames(path);
    const stats: (FileStat | null)[] = [];
    const folders: ByteString[] = [];
    for (const name of names) {
      const child = joinPath(path, name);
      const stat = keepPath(child) ? statOrNull(child) : null;
      stats.push(stat);
      if (stat && stat.dev === device && typeOfStatMode(stat.mode) === 'dir') folders.push(child);
    }
    seen.set(path, { atMs: performance.now(), names, stats });
    entries += names.length + 1;
    // Depth first and in order, as the backup will walk.
    for (let n = folders.length - 1; n >= 0; n--) waiting.push({ path: folders[n]!, device });
  }

  function statOrNull(path: ByteString): FileStat | null {
    try {
      return statEntry(path);
    } catch {
      return null; // the backup looks again and reports it
    }
  }

  async function run(): Promise<void> {
    let turnEnd = performance.now() + turnMs;
    while (!stopped && waiting.length > 0 && entries < entriesMax) {
      try {
        const { path, device } = waiting.pop()!;
        look(path, device);
      } catch {
        // No folder, or not to be listed: the backup finds out by itself, and reports it.
      }
      if (performance.now() < turnEnd) continue;
      await nextTurn();
      turnEnd = performance.now() + turnMs;
    }
  }
  void run();

  return {
    stop() {
      stopped = true;
      waiting.length = 0;
    },
    take(path) {
      const folder = seen.get(path) ?? null;
      seen.delete(path);
      return folder && performance.now() - folder.atMs < ageMaxMs ? folder : null;
    },
  };
}
