import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { errnoOf, LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { encodeTree } from '../../model/tree.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import type { Lookahead, SeenFolder } from '../../sources/files/lookahead.ts';
import { nodeOfStat } from '../../sources/files/metadata.ts';
import { type FileStat, resolvePath, statEntry } from '../../sources/files/stat.ts';
import { listNames, type TargetTree } from '../../sources/files/targets.ts';
import type { BackupCounts, BackupEvents } from './events.ts';
import { createFileOutcomes, isGone, type SavedFile } from './file-outcomes.ts';
import { createFileQueue } from './file-queue.ts';
import { createParentTrees } from './parent-trees.ts';
import { createTally } from './tally.ts';

/**
 * Walks the targets, hands files to the workers in batches and builds the trees from the leaves up. The walk
 * runs ahead of the workers by a bounded number of batches; a folder's tree is stored as soon as its last
 * entry is known, so memory holds only the folders that are open.
 */

/** Decides what stays out. Paths are absolute or as the user gave them. */
export interface Selection {
  /** Asked before an entry is looked at. */
  keepPath(path: ByteString): boolean;
  /** Asked with what lstat says. */
  keepEntry(path: ByteString, stat: FileStat): boolean;
}

export interface ArchiveOptions {
  readonly selection: Selection;
  /** Root tree of the parent snapshot, or null to read every file. */
  readonly parentTree: Id | null;
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  readonly withAtime: boolean;
  /** What was seen of the targets beforehand. */
  readonly lookahead: Lookahead;
  readonly signal: AbortSignal;
  readonly events: BackupEvents;
}

export interface ArchiveResult {
  readonly tree: Id;
  readonly counts: BackupCounts;
}

/** Entries between two turns of the event loop, so that packs are stored while the walk goes on. */
const entriesPerTurn = 256;

interface Folder {
  readonly path: ByteString;
  readonly node: TreeNode | null;
  readonly previous: TreeNode | undefined;
  readonly parent: Folder | null;
  /** Place in the parent's nodes. */
  readonly slot: number;
  readonly startMs: number;
  readonly nodes: (TreeNode | null)[];
  /** Entries not known yet, and one for the walk itself. */
  pending: number;
}

/** Where an entry goes, and what the parent snapshot has in its place. */
interface Place {
  readonly folder: Folder;
  readonly slot: number;
  readonly previous: TreeNode | undefined;
  /** Named by the user: never left out, and missed where it is gone. */
  readonly explicit: boolean;
  /** A folder that was replaced while it was listed is looked at a second time. */
  readonly again?: boolean;
}

type NodeMap = Map<ByteString, TreeNode> | null;

/** @throws LifeboatError `source-unreadable` where nothing at all could be saved; storage errors. */
export async function archive(
  targets: TargetTree,
  store: BlobStore,
  reader: BlobReader,
  options: ArchiveOptions,
): Promise<ArchiveResult> {
  const { selection, events, signal } = options;
  const tally = createTally(events);
  const { counts } = tally;
  const warning = (message: string): void => events.warning?.(message);
  const parents = createParentTrees(reader, store.index.table, { ...options, warning });
  let rootTree: Id | null = null;
  let sinceTurn = 0;
  let reusedBytes = 0;

  function report(current: readonly ByteString[]): void {
    events.progress?.({
      files: counts.filesNew + counts.filesChanged + counts.filesUnmodified,
      bytes: store.pool.progressBytes() + reusedBytes,
      problems: counts.problems,
      current,
    });
  }

  function settle(folder: Folder, slot: number, node: TreeNode | null): void {
    folder.nodes[slot] = node;
    if (--folder.pending === 0) closeFolder(folder);
  }

  function closeFolder(folder: Folder): void {
    const bytes = encodeTree(folder.nodes.filter((node) => node !== null));
    const { parent, node } = folder;
    if (!parent || !node) {
      rootTree = store.saveTree(bytes).id;
      return;
    }
    // Without a listener nobody has to be told how a tree was stored.
    let tell: ((treeBytes: number, storedBytes: number) => void) | undefined;
    const stored = events.item && ((packedBytes: number) => tell?.(bytes.length, packedBytes));
    const { id, isNew } = store.saveTree(bytes, stored);
    node.subtree = id;
    tell = tally.folder(folder.path, node, folder.previous, folder.startMs);
    if (!isNew) tell(0, 0);
    settle(parent, folder.slot, node);
  }

  /** null where it is gone by now. */
  function nodeOf(
    path: ByteString,
    name: ByteString,
    stat: FileStat,
    previous: TreeNode | undefined,
    explicit: boolean,
  ): TreeNode | null {
    let gone = false;
    const node = nodeOfStat(path, name, stat, {
      withAtime: options.withAtime,
      ...(previous ? { previous } : {}),
      onProblem(error) {
        gone ||= isGone(error);
        if (explicit || !isGone(error)) tally.problem(path, error);
      },
    });
    return gone ? null : node;
  }

  const queue = createFileQueue<SavedFile>(
    store,
    (file, outcome) => files.read(file, outcome),
    (last) => report([last.path]),
  );
  const files = createFileOutcomes({ tally, nodeOf, enqueue: queue.add });

  /** null to go on at once: most entries wait for nothing, and a promise for each would cost more than the entry. */
  function keepPace(): Promise<void> | null {
    signal.throwIfAborted();
    const full = queue.room() ?? store.drained();
    if (full) return full;
    if (++sinceTurn < entriesPerTurn) return null;
    sinceTurn = 0;
    return nextTurn();
  }

  function saveFile(path: ByteString, node: TreeNode, stat: FileStat, place: Place): void {
    const { folder, slot, previous } = place;
    if (parents.isUnchanged(stat, node, previous)) {
      if (parents.holds(previous.content)) {
        node.content = previous.content;
        reusedBytes += Number(stat.size);
        folder.nodes[slot] = node;
        tally.unchangedFile(path, node, Number(stat.size));
        return;
      }
      warning(
        `${toText(path)} is unchanged, but parts of it are missing from the repository; it is read anew`,
      );
    }
    folder.pending++;
    files.save({
      path,
      stat,
      node,
      previous,
      explicit: place.explicit,
      startMs: tally.now(),
      settle: (settled) => settle(folder, slot, settled),
    });
  }

  /** An entry that is gone since its folder was listed need not have been there, unless it was asked for. */
  function look(path: ByteString, explicit: boolean): FileStat | null {
    try {
      return statEntry(path);
    } catch (error) {
      if (explicit || !isGone(error)) tally.problem(path, error);
      return null;
    }
  }

  /** Saves what lies at a path. */
  function saveEntry(
    path: ByteString,
    name: ByteString,
    place: Place,
    seen: FileStat | null,
  ): Promise<void> | null {
    const { folder, slot, previous, explicit } = place;
    folder.nodes[slot] = null;
    if (!explicit && !selection.keepPath(path)) {
      events.excluded?.(path);
      return null;
    }
    const stat = seen ?? look(path, explicit);
    if (!stat) return null;
    if (!explicit && !selection.keepEntry(path, stat)) {
      events.excluded?.(path);
      return null;
    }
    const type = typeOfStatMode(stat.mode);
    // A socket is made by the server that listens on it; restic leaves sockets out as well.
    if (type === 'socket') return null;
    const node = nodeOf(path, name, stat, previous, explicit);
    if (!node) return null;
    if (type === 'dir') return saveFolder(path, node, stat, place);
    if (type === 'file') saveFile(path, node, stat, place);
    else folder.nodes[slot] = node;
    return keepPace();
  }

  function openFolder(path: ByteString, node: TreeNode, place: Omit<Place, 'explicit'>): Folder {
    const { folder: parent, slot, previous } = place;
    parent.pending++;
    return { path, node, previous, parent, slot, startMs: tally.now(), nodes: [], pending: 1 };
  }

  const treeOf = (node: TreeNode | undefined): Promise<NodeMap> =>
    parents.tree(node?.type === 'dir' ? node.subtree : null);

  /** Names in a folder. @throws system errors, `ESTALE` where it is another one by now. */
  function namesIn(path: ByteString, stat: FileStat, seen: SeenFolder | null): readonly ByteString[] {
    const names = seen?.names ?? listNames(path);
    // Listing follows symlinks: one that took the folder's place must not lead out of the backup.
    const now = statEntry(path);
    if (now.ino === stat.ino && now.dev === stat.dev && typeOfStatMode(now.mode) === 'dir') return names;
    throw Object.assign(new Error('was replaced while it was saved'), { code: 'ESTALE' });
  }

  async function saveFolder(path: ByteString, node: TreeNode, stat: FileStat, place: Place): Promise<void> {
    const seen = options.lookahead.take(path);
    let names: readonly ByteString[];
    try {
      names = namesIn(path, stat, seen);
    } catch (error) {
      if (errnoOf(error) === 'ESTALE' && !place.again)
        return saveEntry(path, node.name, { ...place, again: true }, null) ?? undefined;
      if (place.explicit || !isGone(error)) tally.problem(path, error);
      return;
    }
    const folder = openFolder(path, node, place);
    const before = await treeOf(place.previous);
    for (let slot = 0; slot < names.length; slot++) {
      const name = names[slot]!;
      const child = { folder, slot, previous: before?.get(name), explicit: false };
      const waiting = saveEntry(joinPath(path, name), name, child, seen?.stats[slot] ?? null);
      if (waiting) await waiting;
    }
    if (--folder.pending === 0) closeFolder(folder);
  }

  /** The node of a folder above the targets; a symlink to it was followed on the way to them. */
  function nodeAbove(path: ByteString, name: ByteString): TreeNode | null {
    try {
      const real = resolvePath(path);
      const stat = statEntry(real);
      if (typeOfStatMode(stat.mode) !== 'dir') throw new Error(`${toText(path)} is no folder`);
      return nodeOfStat(real, name, stat, {
        withAtime: options.withAtime,
        ignoreXattrErrors: true,
        onProblem: (error) => tally.problem(path, error),
      });
    } catch (error) {
      tally.problem(path, error);
      return null;
    }
  }

  /** Folders above the targets: their own metadata, and only the targets in them. */
  async function saveTargets(tree: TargetTree, before: NodeMap, folder: Folder): Promise<void> {
    const names = [...tree.nodes.keys()].sort();
    for (let slot = 0; slot < names.length; slot++) {
      const name = names[slot]!;
      const child = tree.nodes.get(name)!;
      const place = { folder, slot, previous: before?.get(name), explicit: child.explicit };
      if (child.path !== null) {
        await saveEntry(child.path, name, place, null);
        continue;
      }
      folder.nodes[slot] = null;
      const path = child.metadataPath!;
      const node = nodeAbove(path, name);
      if (!node) continue;
      const inner = openFolder(path, node, place);
      await saveTargets(child, await treeOf(place.previous), inner);
      if (--inner.pending === 0) closeFolder(inner);
    }
  }

  const root: Folder = {
    path: '/' as ByteString,
    node: null,
    previous: undefined,
    parent: null,
    slot: 0,
    startMs: 0,
    nodes: [],
    pending: 1,
  };
  try {
    await saveTargets(targets, await parents.tree(options.parentTree), root);
    await queue.finish();
    signal.throwIfAborted();
  } catch (error) {
    store.pool.cancel();
    await queue.settled();
    throw error;
  }
  if (root.nodes.every((node) => node === null))
    throw new LifeboatError('source-unreadable', 'nothing was saved: the snapshot would be empty', {
      hint: 'check that the paths hold files and that the exclusions do not cover all of them',
    });
  if (--root.pending === 0) closeFolder(root);
  report([]);
  if (rootTree === null) throw new Error('the root tree was not closed: entries are still pending');
  return { tree: rootTree, counts };
}
