import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, joinPath } from '../../core/bytestring.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import { statEntry } from '../../sources/files/stat.ts';
import { listNames, type TargetTree, targetTree } from '../../sources/files/targets.ts';
import type { Selection } from './archive.ts';

export interface ScanTotals {
  readonly files: number;
  readonly bytes: number;
  readonly durationMs: number;
}

const turnMs = 4;

/**
 * Counts what a backup will process, for the estimate of time left. Runs beside the backup in short turns;
 * what cannot be read is left out here, as the backup itself reports it. Never rejects; null where it was
 * aborted or the targets cannot be listed.
 */
export async function scanTargets(
  paths: readonly ByteString[],
  selection: Selection,
  signal: AbortSignal,
): Promise<ScanTotals | null> {
  const startMs = performance.now();
  let files = 0;
  let bytes = 0;
  let turnEnd = performance.now() + turnMs;
  const folders: ByteString[] = [];

  function look(path: ByteString, explicit: boolean): void {
    try {
      if (!explicit && !selection.keepPath(path)) return;
      const stat = statEntry(path);
      if (!explicit && !selection.keepEntry(path, stat)) return;
      const type = typeOfStatMode(stat.mode);
      if (type === 'dir') folders.push(path);
      else if (type === 'file') {
        files++;
        bytes += Number(stat.size);
      }
    } catch {
      // An estimate does without what cannot be read; the backup reports it.
    }
  }

  function lookAtTargets(tree: TargetTree): void {
    for (const child of tree.nodes.values()) {
      if (child.path === null) lookAtTargets(child);
      else look(child.path, child.explicit);
    }
  }

  function namesIn(path: ByteString): ByteString[] {
    try {
      return listNames(path);
    } catch {
      return []; // as above
    }
  }

  try {
    lookAtTargets(targetTree(paths));
  } catch {
    return null; // as above
  }
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of namesIn(folder)) {
      look(joinPath(folder, name), false);
      if (performance.now() < turnEnd) continue;
      await nextTurn();
      if (signal.aborted) return null;
      turnEnd = performance.now() + turnMs;
    }
  }
  return { files, bytes, durationMs: performance.now() - startMs };
}
