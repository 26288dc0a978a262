import { type ByteString, joinPath } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { namesInFolder } from '../../sources/files/restore-target.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { type TreeSource, walkTree } from '../walk/walk-tree.ts';
import { blobsOfFile } from './file-content.ts';
import type { RestoreCounts, RestoreRequest } from './request.ts';
import {
  emptyWindow,
  type PlannedFile,
  type PlannedFolder,
  type RestoreWindow,
  type WindowLimits,
} from './window.ts';

/** A folder on the way to the entry that the walk is at. */
interface Frame {
  readonly folder: PlannedFolder;
  /** Nothing is in it, because it is not there yet. */
  readonly fresh: boolean;
  /** Names in the snapshot, where others are to be removed. */
  readonly names: Set<ByteString> | null;
  /** Whether it is part of the plan: selected itself, or something below it is. */
  planned: boolean;
}

/** What is at a path, or null. */
function look(path: ByteString): FileStat | null {
  try {
    return statEntry(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

const isNewer = (node: TreeNode, stat: FileStat): boolean => {
  const { seconds, nanoseconds } = parseTime(node.mtime);
  return seconds > stat.mtimeSec || (seconds === stat.mtimeSec && nanoseconds > stat.mtimeNsec);
};

const sameTime = (node: TreeNode, stat: FileStat): boolean => {
  const { seconds, nanoseconds } = parseTime(node.mtime);
  return seconds === stat.mtimeSec && nanoseconds === stat.mtimeNsec;
};

/**
 * Walks the trees and says what has to be done, window by window. Looks at the target, changes nothing.
 *
 * @param flush takes a window; the walk waits for it.
 * @throws LifeboatError for the root tree; what fails below it goes to `request.events.problem`.
 */
export async function planRestore(
  trees: TreeSource,
  index: BlobIndex,
  request: RestoreRequest,
  counts: RestoreCounts,
  limits: WindowLimits,
  flush: (window: RestoreWindow) => Promise<void>,
): Promise<void> {
  const { events, overwrite, selection } = request;
  const packs = index.packCount();
  const hardlinks = new Map<string, ByteString>();
  let deleteExtra = request.deleteExtra;
  let window = emptyWindow();
  let entriesInWindow = 0;
  let blobsInWindow = 0;
  let nextNumber = 0;

  const rootFolder: PlannedFolder = {
    path: request.target,
    location: '/' as ByteString,
    node: null,
    parent: null,
    failed: false,
  };
  const stack: Frame[] = [
    {
      folder: rootFolder,
      fresh: (namesInFolder(request.target) ?? []).length === 0,
      names: deleteExtra ? new Set() : null,
      planned: false,
    },
  ];

  function problem(location: ByteString, error: unknown): void {
    counts.problems++;
    events.problem(location, error);
  }

  function skip(location: ByteString, size: number): void {
    counts.filesSkipped++;
    counts.bytesSkipped += size;
    events.item?.('unchanged', location, size);
  }

  /** Puts the folders on the way here into the plan. */
  function planFolders(): void {
    if (stack[stack.length - 1]!.planned) return;
    for (const frame of stack) {
      if (frame.planned) continue;
      frame.planned = true;
      if (!frame.folder.node) continue;
      window.folders.push(frame.folder);
      entriesInWindow++;
      counts.filesTotal++;
    }
  }

  function openFrame(parent: Frame, path: ByteString, location: ByteString, node: TreeNode): void {
    const stat = parent.fresh ? null : look(path);
    stack.push({
      folder: { path, location, node, parent: parent.folder, failed: false },
      fresh: stat === null || typeOfStatMode(stat.mode) !== 'dir',
      names: request.deleteExtra ? new Set() : null,
      planned: false,
    });
  }

  function closeFrame(): void {
    const { folder, fresh, names, planned } = stack.pop()!;
    if (!planned) return;
    if (names && deleteExtra && !fresh) {
      for (const name of namesInFolder(folder.path) ?? []) {
        if (!names.has(name) && selection(joinPath(folder.location, name), false).selected)
          window.removals.push(joinPath(folder.path, name));
      }
    }
    if (folder.node) window.closed.push(folder);
    entriesInWindow++;
  }

  /** Whether the mode lets the entry take the place of what is there. */
  function mayOverwrite(node: TreeNode, stat: FileStat | null): boolean {
    if (stat === null || overwrite === 'always' || overwrite === 'if-changed') return true;
    return overwrite === 'if-newer' && isNewer(node, stat);
  }

  function planFile(path: ByteString, location: ByteString, node: TreeNode, frame: Frame): void {
    const number = nextNumber++;
    const stat = frame.fresh ? null : look(path);
    const { folder } = frame;
    if (Number(node.links ?? 0) > 1) {
      const key = `${node.inode ?? 0}:${node.device_id ?? 0}`;
      const first = hardlinks.get(key);
      if (first !== undefined) {
        if (!mayOverwrite(node, stat)) {
          skip(location, 0);
          return;
        }
        counts.filesTotal++;
        window.links.push({ path, location, node, folder, number, first });
        return;
      }
      hardlinks.set(key, path);
    }
    const size = Number(node.size ?? 0);
    if (!mayOverwrite(node, stat)) {
      skip(location, size);
      return;
    }
    const blobs = blobsOfFile(index.table, packs, location, node);
    const regular = stat !== null && typeOfStatMode(stat.mode) === 'file';
    const unchanged =
      regular && overwrite === 'if-changed' && Number(stat.size) === size && sameTime(node, stat);
    const file: PlannedFile = {
      ...{ path, location, node, folder, number, size, blobs, unchanged },
      existing: stat,
      compare: regular && !unchanged,
      matches: null,
      metadataSet: false,
      jobsLeft: 0,
      failed: false,
    };
    window.files.push(file);
    blobsInWindow += blobs.length;
  }

  function planSpecial(path: ByteString, location: ByteString, node: TreeNode, frame: Frame): void {
    if (!mayOverwrite(node, frame.fresh ? null : look(path))) {
      skip(location, 0);
      return;
    }
    counts.filesTotal++;
    window.specials.push({ path, location, node, folder: frame.folder });
  }

  function planEntry(path: ByteString, location: ByteString, node: TreeNode, frame: Frame): void {
    try {
      planFolders();
      entriesInWindow++;
      if (node.type === 'file') planFile(path, location, node, frame);
      else planSpecial(path, location, node, frame);
    } catch (error) {
      problem(location, error);
    }
  }

  async function flushWindow(more: boolean): Promise<void> {
    const full = { ...window, more };
    window = emptyWindow();
    entriesInWindow = 0;
    blobsInWindow = 0;
    await flush(full);
  }

  async function flushAnd(answer: 'skip' | undefined): Promise<'skip' | undefined> {
    await flushWindow(true);
    return answer;
  }

  function enter(location: ByteString, node: TreeNode): 'skip' | undefined {
    const frame = stack[stack.length - 1]!;
    frame.names?.add(node.name);
    if (node.type === 'socket') return undefined;
    const isFolder = node.type === 'dir';
    const { selected, childMayBeSelected } = selection(location, isFolder);
    if (!selected && !childMayBeSelected) return 'skip';
    const path = joinPath(frame.folder.path, node.name);
    if (!isFolder) {
      if (selected) planEntry(path, location, node, frame);
      return undefined;
    }
    try {
      openFrame(frame, path, location, node);
    } catch (error) {
      problem(location, error);
      return 'skip';
    }
    if (selected) planFolders();
    if (childMayBeSelected) return undefined;
    closeFrame();
    return 'skip';
  }

  await walkTree(
    trees,
    request.tree,
    {
      enter(location, node) {
        const answer = enter(location, node);
        if (entriesInWindow < limits.entries && blobsInWindow < limits.blobs) return answer;
        return flushAnd(answer);
      },
      leave: () => closeFrame(),
      unreadable(location, _tree, error) {
        if (stack.length === 1) throw error;
        problem(location, error);
        // What the folder should hold is not known, so nothing anywhere is taken for superfluous.
        deleteExtra = false;
        closeFrame();
      },
    },
    { signal: request.signal },
  );
  closeFrame();
  await flushWindow(false);
}
