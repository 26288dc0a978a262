import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { sameInstant } from '../../model/time.ts';
import { encodeTree } from '../../model/tree.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import type { FileOutcome } from '../../repository/workers/protocol.ts';
import type { Lookahead } from '../../sources/files/lookahead.ts';
import { nodeOfStat } from '../../sources/files/metadata.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { listNames, type TargetTree } from '../../sources/files/targets.ts';
import type { BackupCounts, BackupEvents } from './events.ts';
import { createFileQueue, type QueuedFile } from './file-queue.ts';

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
  readonly nodes: (TreeNode | null)[];
  /** Entries not known yet, and one for the walk itself. */
  pending: number;
}

interface PendingFile extends QueuedFile {
  readonly node: TreeNode;
  readonly previous: TreeNode | undefined;
  readonly folder: Folder;
  readonly slot: number;
  linked?: LinkedFile;
}

/** Content of a file with several names, read once. */
interface LinkedFile {
  /** Files that wait for the outcome. */
  readonly others: PendingFile[];
  outcome: FileOutcome | null;
  /** Names not met yet; then nobody will ask any more. */
  namesLeft: number;
}

export async function archive(
  targets: TargetTree,
  store: BlobStore,
  reader: BlobReader,
  options: ArchiveOptions,
): Promise<ArchiveResult> {
  const { selection, events, signal } = options;
  const counts: BackupCounts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    bytes: 0,
    problems: 0,
  };
  let rootTree: Id | null = null;
  let sinceTurn = 0;
  const idBytes = Buffer.alloc(32);

  function problem(path: ByteString, error: unknown): void {
    counts.problems++;
    events.problem(path, error);
  }

  function report(current: readonly ByteString[]): void {
    events.progress?.({
      files: counts.filesNew + counts.filesChanged + counts.filesUnmodified,
      bytes: store.pool.progressBytes() + reusedBytes,
      problems: counts.problems,
      current,
    });
  }
  let reusedBytes = 0;
  const linked = new Map<string, LinkedFile>();

  function settle(folder: Folder, slot: number, node: TreeNode | null): void {
    folder.nodes[slot] = node;
    if (--folder.pending === 0) closeFolder(folder);
  }

  function closeFolder(folder: Folder): void {
    const { id } = store.saveTree(encodeTree(folder.nodes.filter((node) => node !== null)));
    if (!folder.parent || !folder.node) {
      rootTree = id;
      return;
    }
    folder.node.subtree = id;
    const status = !folder.previous ? 'new' : folder.previous.subtree === id ? 'unchanged' : 'changed';
    if (status === 'new') counts.dirsNew++;
    else if (status === 'changed') counts.dirsChanged++;
    else counts.dirsUnmodified++;
    events.item?.(folder.path, folder.node, status, 0);
    settle(folder.parent, folder.slot, folder.node);
  }

  function contentOf(ids: Uint8Array): Id[] {
    const hex = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString('hex');
    const content: Id[] = [];
    for (let at = 0; at < hex.length; at += 64) content.push(hex.slice(at, at + 64) as Id);
    return content;
  }

  function fileDone(file: PendingFile, outcome: FileOutcome): void {
    if (outcome.problem || !outcome.content) {
      const code = outcome.problem?.code ?? 'EIO';
      problem(file.path, Object.assign(new Error(outcome.problem?.message ?? 'cannot be read'), { code }));
      settle(file.folder, file.slot, null);
      return;
    }
    if (outcome.changed)
      problem(file.path, Object.assign(new Error('changed while it was read'), { code: 'ECHANGED' }));
    file.node.content = contentOf(outcome.content);
    if (outcome.size === 0) delete file.node.size;
    else file.node.size = outcome.size;
    counts.bytes += outcome.size;
    const status = file.previous ? 'changed' : 'new';
    if (status === 'new') counts.filesNew++;
    else counts.filesChanged++;
    events.item?.(file.path, file.node, status, outcome.packedBytes);
    settle(file.folder, file.slot, file.node);
  }

  function fileRead(file: PendingFile, outcome: FileOutcome): void {
    fileDone(file, outcome);
    const { linked: link } = file;
    if (!link) return;
    link.outcome = { ...outcome, content: outcome.content?.slice() ?? null, packedBytes: 0 };
    for (const other of link.others.splice(0)) fileDone(other, link.outcome);
  }

  const queue = createFileQueue<PendingFile>(store, fileRead, (last) => report([last.path]));

  /** null to go on at once: most entries wait for nothing, and a promise for each would cost more than the entry. */
  function keepPace(): Promise<void> | null {
    signal.throwIfAborted();
    const full = queue.room() ?? store.drained();
    if (full) return full;
    if (++sinceTurn < entriesPerTurn) return null;
    sinceTurn = 0;
    return nextTurn();
  }

  function unchanged(stat: FileStat, node: TreeNode, previous: TreeNode | undefined): boolean {
    if (previous?.type !== 'file' || previous.content === null) return false;
    if ((previous.size ?? 0) !== stat.size || !sameInstant(previous.mtime, node.mtime)) return false;
    if (!options.ignoreCtime && !sameInstant(previous.ctime, node.ctime)) return false;
    return options.ignoreInode || (previous.inode ?? 0) === stat.ino;
  }

  function allKnown(content: readonly Id[]): boolean {
    for (const id of content) {
      idBytes.write(id, 'hex');
      if (store.index.table.find('data', idBytes) < 0) return false;
    }
    return true;
  }

  async function previousNodes(node: TreeNode | undefined): Promise<Map<ByteString, TreeNode> | null> {
    return node?.type === 'dir' && node.subtree ? previousTree(node.subtree) : null;
  }

  async function previousTree(id: Id): Promise<Map<ByteString, TreeNode> | null> {
    try {
      return new Map((await reader.loadTree(id)).map((node) => [node.name, node]));
    } catch (error) {
      // Without the parent's tree everything below it is read again: slower, and complete.
      events.warning?.(
        `a tree of the parent snapshot cannot be read, so its files are read anew: ${messageOf(error)}`,
      );
      return null;
    }
  }

  function saveFile(
    path: ByteString,
    node: TreeNode,
    stat: FileStat,
    previous: TreeNode | undefined,
    folder: Folder,
    slot: number,
  ): void {
    if (unchanged(stat, node, previous)) {
      if (allKnown(previous!.content!)) {
        node.content = previous!.content;
        counts.filesUnmodified++;
        counts.bytes += Number(stat.size);
        reusedBytes += Number(stat.size);
        events.item?.(path, node, 'unchanged', 0);
        folder.nodes[slot] = node;
        return;
      }
      events.warning?.(
        `${toText(path)} is unchanged, but parts of it are missing from the repository; it is read anew`,
      );
    }
    folder.pending++;
    const file: PendingFile = { path, stat, node, previous, folder, slot };
    if (stat.nlink < 2 || !joinOtherName(file)) queue.add(file);
  }

  /** Whether the file was or is being read under another of its names, so that this one need not be. */
  function joinOtherName(file: PendingFile): boolean {
    const key = `${file.stat.dev}:${file.stat.ino}`;
    const known = linked.get(key);
    if (!known) {
      file.linked = { others: [], outcome: null, namesLeft: file.stat.nlink - 1 };
      linked.set(key, file.linked);
      return false;
    }
    if (--known.namesLeft === 0) linked.delete(key);
    if (known.outcome) fileDone(file, known.outcome);
    else known.others.push(file);
    return true;
  }

  function look(path: ByteString): FileStat | null {
    try {
      return statEntry(path);
    } catch (error) {
      problem(path, error);
      return null;
    }
  }

  /** Saves what lies at a path as entry `slot` of a folder. */
  function saveEntry(
    path: ByteString,
    name: ByteString,
    explicit: boolean,
    previous: TreeNode | undefined,
    folder: Folder,
    slot: number,
    seen: FileStat | null,
  ): Promise<void> | null {
    folder.nodes[slot] = null;
    if (!explicit && !selection.keepPath(path)) return null;
    const stat = seen ?? look(path);
    if (!stat || (!explicit && !selection.keepEntry(path, stat))) return null;
    const type = typeOfStatMode(stat.mode);
    // A socket is made by the server that listens on it; restic leaves sockets out as well.
    if (type === 'socket') return null;
    const node = nodeOfStat(path, name, stat, {
      withAtime: options.withAtime,
      ...(previous ? { previous } : {}),
      onProblem: (error) => problem(path, error),
    });
    if (type === 'dir') return saveFolder(path, node, previous, folder, slot);
    if (type === 'file') saveFile(path, node, stat, previous, folder, slot);
    else folder.nodes[slot] = node;
    return keepPace();
  }

  function openFolder(
    path: ByteString,
    node: TreeNode | null,
    previous: TreeNode | undefined,
    parent: Folder | null,
    slot: number,
  ): Folder {
    if (parent) parent.pending++;
    return { path, node, previous, parent, slot, nodes: [], pending: 1 };
  }

  async function saveFolder(
    path: ByteString,
    node: TreeNode,
    previous: TreeNode | undefined,
    parent: Folder,
    slot: number,
  ): Promise<void> {
    const seen = options.lookahead.take(path);
    let names: readonly ByteString[];
    try {
      names = seen?.names ?? listNames(path);
    } catch (error) {
      problem(path, error);
      return;
    }
    const folder = openFolder(path, node, previous, parent, slot);
    const before = await previousNodes(previous);
    for (let n = 0; n < names.length; n++) {
      const name = names[n]!;
      const waiting = saveEntry(
        joinPath(path, name),
        name,
        false,
        before?.get(name),
        folder,
        n,
        seen?.stats[n] ?? null,
      );
      if (waiting) await waiting;
    }
    if (--folder.pending === 0) closeFolder(folder);
  }

  /** Folders above the targets: their own metadata, and only the targets in them. */
  async function saveTargets(
    tree: TargetTree,
    before: Map<ByteString, TreeNode> | null,
    folder: Folder,
  ): Promise<void> {
    const names = [...tree.nodes.keys()].sort();
    for (let n = 0; n < names.length; n++) {
      const name = names[n]!;
      const child = tree.nodes.get(name)!;
      const previous = before?.get(name);
      if (child.path !== null) {
        await saveEntry(child.path, name, child.explicit, previous, folder, n, null);
        continue;
      }
      folder.nodes[n] = null;
      const path = child.metadataPath!;
      const stat = look(path);
      if (!stat) continue;
      const node = nodeOfStat(path, name, stat, {
        withAtime: options.withAtime,
        ignoreXattrErrors: true,
        onProblem: (error) => problem(path, error),
      });
      const inner = openFolder(path, node, previous, folder, n);
      await saveTargets(child, await previousNodes(previous), inner);
      if (--inner.pending === 0) closeFolder(inner);
    }
  }

  const root = openFolder('/' as ByteString, null, undefined, null, 0);
  try {
    await saveTargets(targets, options.parentTree ? await previousTree(options.parentTree) : null, root);
    await queue.finish();
    signal.throwIfAborted();
  } catch (error) {
    store.pool.cancel();
    await queue.settled();
    throw error;
  }
  if (--root.pending === 0) closeFolder(root);
  report([]);
  if (rootTree === null) throw new Error('the root tree was not closed: entries are still pending');
  return { tree: rootTree, counts };
}
