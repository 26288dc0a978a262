import { createHash } from 'node:crypto';
import { type ByteString, toText } from '../../core/bytestring.ts';
import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import { type Id, idOfBytes } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import { unsafeName } from '../../model/tree.ts';
import { type BlobReader, openBlobReader } from '../../repository/blob-reader.ts';
import { openBlobStore } from '../../repository/blob-store.ts';
import { sealOverheadBytes } from '../../repository/crypto.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { refuseIfHeld, removeSnapshot, saveSnapshot } from '../../repository/snapshots.ts';
import { createTreeRewriter, type TreeSaver } from '../rewrite/rewrite-tree.ts';

/** One thing that is repaired in a snapshot. */
export interface TreeRepair {
  readonly path: ByteString;
  readonly what:
    | 'content-removed'
    | 'size-fixed'
    | 'folder-emptied'
    | 'entry-removed'
    | 'order-fixed'
    | 'root-lost';
  readonly message: string;
}

export interface SnapshotRepair {
  readonly snapshot: StoredSnapshot;
  /** The tree that takes the place of the broken one, or null where nothing of the snapshot is left. */
  readonly tree: Id | null;
  readonly repairs: readonly TreeRepair[];
}

/** What `repair snapshots` will do (restic cmd/restic/cmd_repair_snapshots.go). */
export interface SnapshotRepairPlan {
  /** Snapshots that need repair; the others are sound. */
  readonly snapshots: readonly SnapshotRepair[];
  /** New trees by their ID. */
  readonly trees: ReadonlyMap<Id, Uint8Array>;
}

export interface SnapshotRepairOptions {
  readonly signal?: AbortSignal;
  readonly onSnapshot?: (snapshot: StoredSnapshot) => void;
  readonly onRepair?: (repair: TreeRepair) => void;
}

const types: readonly string[] = ['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket'];
const root = '/' as ByteString;

/** Walks the snapshots and works out what is left of each. Changes nothing. */
export async function planSnapshotRepair(
  repository: Repository,
  index: BlobIndex,
  snapshots: readonly StoredSnapshot[],
  options: SnapshotRepairOptions = {},
): Promise<SnapshotRepairPlan> {
  const reader = openBlobReader(repository, index);
  const trees = new Map<Id, Uint8Array>();
  /** Repairs of the snapshot at hand. A tree met before repairs later snapshots too, without a word. */
  let repairs: TreeRepair[] = [];
  const note = (path: ByteString, what: TreeRepair['what'], message: string): void => {
    const repair = { path, what, message };
    repairs.push(repair);
    options.onRepair?.(repair);
  };
  const saver: TreeSaver = {
    saveTree(bytes) {
      const id = idOfBytes(createHash('sha256').update(bytes).digest());
      trees.set(id, bytes);
      return { id };
    },
  };
  const rewriter = createTreeRewriter(reader, saver, {
    exact: false,
    memoised: true,
    ...(options.signal ? { signal: options.signal } : {}),
    nodes: (nodes, path) => inOrder(nodes, path, note),
    node: (node, path) => repairNode(index, node, path, note),
    unreadable(path, error) {
      if (path === root) {
        note(path, 'root-lost', `its root folder cannot be read: ${error.message}`);
        return null;
      }
      note(path, 'folder-emptied', `${quoted(path)} is now an empty folder: ${error.message}`);
      return [];
    },
  });

  try {
    const broken: SnapshotRepair[] = [];
    for (const snapshot of snapshots) {
      options.onSnapshot?.(snapshot);
      repairs = [];
      const tree = await rewriter.rewrite(snapshot.tree);
      if (tree === null || tree !== snapshot.tree) broken.push({ snapshot, tree, repairs });
    }
    await refuseDamagedTwins(index, reader, trees.keys());
    return { snapshots: broken, trees };
  } finally {
    reader.close();
  }
}

type Note = (path: ByteString, what: TreeRepair['what'], message: string) => void;

function repairNode(index: BlobIndex, node: TreeNode, path: ByteString, note: Note): TreeNode | null {
  if (!types.includes(node.type)) {
    note(
      path,
      'entry-removed',
      `${quoted(path)} was removed: its type ${JSON.stringify(node.type)} is invalid`,
    );
    return null;
  }
  return node.type === 'file' ? repairFile(index, node, path, note) : node;
}

/** A file without the parts that are lost. Its name stays; its size becomes that of what is left. */
function repairFile(index: BlobIndex, node: TreeNode, path: ByteString, note: Note): TreeNode {
  const before = node.content ?? [];
  const content: Id[] = [];
  let size = 0;
  for (const id of before) {
    const blob = index.find('data', id);
    if (!blob) continue;
    content.push(id);
    size += blob.uncompressedLength || blob.length - sealOverheadBytes;
  }
  const sizeIsRight = BigInt(node.size ?? 0) === BigInt(size);
  if (node.content !== null && content.length === before.length && sizeIsRight) return node;
  if (content.length < before.length || node.content === null) {
    const lost =
      node.content === null
        ? 'its list of blobs'
        : `${before.length - content.length} of ${before.length} blobs`;
    note(path, 'content-removed', `${quoted(path)} was shortened: ${lost} lost`);
  } else note(path, 'size-fixed', `${quoted(path)}: its size was wrong, it is ${size}`);
  return { ...node, content, size };
}

/** Entries in order of their names, each name once, none that would leave its folder. */
function inOrder(nodes: readonly TreeNode[], path: ByteString, note: Note): readonly TreeNode[] {
  const safe = nodes.filter(({ name }) => {
    const unsafe = unsafeName(name);
    if (unsafe) note(path, 'entry-removed', `an entry of ${quoted(path)} was removed: its name ${unsafe}`);
    return unsafe === null;
  });
  const isSorted = safe.every((node, n) => n === 0 || safe[n - 1]!.name < node.name);
  if (isSorted) return safe.length === nodes.length ? nodes : safe;
  const sorted = safe.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  note(path, 'order-fixed', `the entries of ${quoted(path)} were not in order, or some were there twice`);
  return sorted.filter((node, n) => n === 0 || sorted[n - 1]!.name !== node.name);
}

/**
 * A new tree may be the same, byte for byte, as one that the index knows. Then it is not stored again, so the
 * copy that is there must be sound.
 */
async function refuseDamagedTwins(index: BlobIndex, reader: BlobReader, trees: Iterable<Id>): Promise<void> {
  for (const id of trees) {
    if (!index.find('tree', id)) continue;
    try {
      await reader.loadBlob('tree', id);
    } catch (error) {
      if (!hasCode(error, 'repository-damaged', 'storage-missing-file')) throw error;
      throw new LifeboatError(
        'repository-damaged',
        `tree ${id} is needed for the repair and is damaged itself: ${messageOf(error)}`,
        {
          hint: 'run `lifeboat repair index` and `lifeboat repair packs` with the packs that `lifeboat check` names, then this again',
          cause: error,
        },
      );
    }
  }
}

export interface RepairedSnapshot {
  readonly old: Id;
  /** null where nothing was left. */
  readonly new: Id | null;
  readonly oldRemoved: boolean;
}

/**
 * Stores the new trees, then the new snapshots; with `forget` the broken ones are removed after that. Without,
 * they stay, the new ones have the tag `repaired`, and a snapshot of which nothing is left is not touched.
 */
export async function executeSnapshotRepair(
  repository: Repository,
  index: BlobIndex,
  plan: SnapshotRepairPlan,
  { forget, signal }: { readonly forget: boolean; readonly signal?: AbortSignal },
): Promise<RepairedSnapshot[]> {
  if (plan.trees.size > 0) {
    const store = openBlobStore(repository, index);
    try {
      for (const bytes of plan.trees.values()) {
        store.saveTree(bytes);
        await store.drained();
      }
      await store.finish();
    } finally {
      await store.close();
    }
  }
  const done: RepairedSnapshot[] = [];
  for (const { snapshot, tree } of plan.snapshots) {
    signal?.throwIfAborted();
    if (forget) await refuseIfHeld(repository, snapshot.id);
    const saved = tree === null ? null : await saveSnapshot(repository, repaired(snapshot, tree, forget));
    if (forget) await removeSnapshot(repository, snapshot.id);
    done.push({ old: snapshot.id, new: saved, oldRemoved: forget });
  }
  return done;
}

function repaired({ id, ...snapshot }: StoredSnapshot, tree: Id, forget: boolean): Snapshot {
  const tags = snapshot.tags ?? [];
  const added = forget || tags.includes('repaired') ? tags : [...tags, 'repaired'];
  return { ...snapshot, tree, original: id, ...(added.length > 0 ? { tags: added } : {}) };
}

const quoted = (path: ByteString): string => JSON.stringify(toText(path));
