import { hostname, userInfo } from 'node:os';
import type { ByteString } from '../../core/bytestring.ts';
import type { Id } from '../../model/id.ts';
import { goModeDir } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { formatMilliseconds } from '../../model/time.ts';
import { encodeTree } from '../../model/tree.ts';
import { openBlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { openPackChecker } from '../../repository/pack-checker.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { saveSnapshot } from '../../repository/snapshots.ts';
import { createFindings } from '../check/findings.ts';
import { groupByPack } from '../check/indexed-packs.ts';
import { type PackReading, readPacks, treeEntries } from '../check/read-packs.ts';
import type { CheckEvents } from '../check/report.ts';
import { createTreeGraph } from '../check/tree-graph.ts';

/** Folders that no snapshot and no other folder refers to (restic cmd/restic/cmd_recover.go). */
export interface OrphanPlan {
  readonly roots: readonly Id[];
  readonly treesRead: number;
}

/** Reads every tree that the index knows. Changes nothing. Damage is told to the events. */
export async function findOrphans(
  repository: Repository,
  index: BlobIndex,
  snapshots: readonly StoredSnapshot[],
  events: CheckEvents,
  signal?: AbortSignal,
): Promise<OrphanPlan> {
  const packs = groupByPack(index);
  const { table } = index;
  const isTree = (entry: number): boolean => table.typeOf(entry) === 'tree';
  const sizes = new Map((await listFiles(repository.storage, 'data')).map(({ id, size }) => [id, size]));
  const readings: PackReading[] = [];
  for (let number = 0; number < packs.count; number++) {
    const id = packs.id(number);
    const bytes = sizes.get(id);
    if (bytes === undefined || !packs.types(number).tree) continue;
    readings.push({ number, id, bytes, whole: false, entries: treeEntries(packs, number, isTree) });
  }

  const graph = createTreeGraph(table.count());
  const bytesTotal = readings.reduce((sum, { bytes }) => sum + bytes, 0);
  const checker = openPackChecker(repository, index, bytesTotal);
  try {
    const { watch } = events;
    await readPacks(checker, readings, createFindings(events), {
      trees: true,
      references: false,
      signal,
      ...(watch ? { watch } : {}),
      onTrees: graph.add,
    });
  } finally {
    await checker.close();
  }

  const referred = new Set<number>();
  graph.eachReferredTree((tree) => referred.add(tree));
  const idBytes = Buffer.alloc(32);
  for (const { tree } of snapshots) {
    if (tree === undefined) continue;
    idBytes.write(tree, 'hex');
    referred.add(table.find('tree', idBytes));
  }
  const roots: Id[] = [];
  let treesRead = 0;
  const total = table.count();
  for (let entry = 0; entry < total; entry++) {
    if (!graph.has(entry)) continue;
    treesRead++;
    if (!referred.has(entry)) roots.push(index.blobAt(entry).id);
  }
  return { roots: roots.sort(), treesRead };
}

const nameDigits = 8;

/** One folder for each root, named by the first digits of its ID; by more of them where two begin alike. */
function rootNodes(roots: readonly Id[], time: string): TreeNode[] {
  let digits = nameDigits;
  while (new Set(roots.map((id) => id.slice(0, digits))).size < roots.length) digits++;
  return roots.toSorted().map((id) => ({
    name: id.slice(0, digits) as ByteString,
    type: 'dir',
    mode: goModeDir + 0o755,
    mtime: time,
    atime: time,
    ctime: time,
    uid: 0,
    gid: 0,
    content: null,
    subtree: id,
  }));
}

/** Makes a snapshot tagged `recovered` of the folders found. Returns its ID. */
export async function saveOrphans(
  repository: Repository,
  index: BlobIndex,
  { roots }: OrphanPlan,
  nowMs = Date.now(),
): Promise<Id> {
  const time = formatMilliseconds(nowMs);
  const store = openBlobStore(repository, index);
  let tree: Id;
  try {
    tree = store.saveTree(encodeTree(rootNodes(roots, time))).id;
    await store.finish();
  } finally {
    await store.close();
  }
  const { username, uid, gid } = userInfo();
  return saveSnapshot(repository, {
    time,
    tree,
    paths: ['/recover'],
    hostname: hostname(),
    username,
    uid,
    gid,
    tags: ['recovered'],
  });
}
