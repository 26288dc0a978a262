import { bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import type { PhysicalManifest } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { findDumpTarget } from '../dump/dump-path.ts';
import { wholeContent } from '../dump/file-content.ts';
import { readManifest } from '../look/read-manifest.ts';
import { findSubtree, walkTree } from '../walk/walk-tree.ts';

/** Reading single parts of a physical snapshot. */

/** @throws LifeboatError `repository-damaged` where it is none of a physical backup; errors of the repository. */
export async function readPhysicalManifest(
  reader: BlobReader,
  snapshot: StoredSnapshot,
): Promise<PhysicalManifest> {
  const manifest = await readManifest(reader, snapshot);
  if (manifest?.kind === 'postgres-physical') return manifest;
  throw new LifeboatError(
    'repository-damaged',
    `the snapshot ${snapshot.id.slice(0, 8)} is no physical backup`,
  );
}

/** A small file of the snapshot. @throws LifeboatError `path-missing`, `repository-damaged`. */
export async function readSnapshotFile(reader: BlobReader, tree: Id, path: string): Promise<Buffer> {
  const found = await findDumpTarget(reader, tree, bytesOfText(path));
  if (found.kind !== 'file') throw new LifeboatError('path-missing', `${path} is not a file`);
  return Buffer.concat(await wholeContent(reader, found.node));
}

export interface ClusterTrees {
  readonly data: Id;
  readonly tablespaces: ReadonlyMap<number, Id>;
  /** Whether there is a postgresql.conf in the data directory. */
  readonly hasConfiguration: boolean;
  /** Whose files they were. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

export async function findClusterTrees(
  reader: BlobReader,
  tree: Id,
  manifest: PhysicalManifest,
): Promise<ClusterTrees> {
  const root = `/${manifest.source}`;
  const data = await findSubtree(reader, tree, bytesOfText(`${root}/data`));
  const tablespaces = new Map<number, Id>();
  for (const { oid } of manifest.tablespaces)
    tablespaces.set(oid, await findSubtree(reader, tree, bytesOfText(`${root}/tablespaces/${oid}`)));
  const names = await reader.loadTree(data);
  const version = names.find(({ name }) => name === 'PG_VERSION');
  const hasConfiguration = names.some(({ name }) => name === 'postgresql.conf');
  if (!version)
    throw new LifeboatError(
      'repository-damaged',
      `${root}/data of the snapshot is no data directory: it has no PG_VERSION`,
    );
  return { data, tablespaces, hasConfiguration, owner: { uid: version.uid, gid: version.gid } };
}

const sampleBytes = 8 * 1024 * 1024;

/** How fast one thread reads this snapshot's content here and now, bytes a second; null where there is too little of it. */
export async function measureReading(
  reader: BlobReader,
  data: Id,
  signal: AbortSignal,
): Promise<number | null> {
  const nodes: TreeNode[] = [];
  let found = 0;
  await walkTree(
    reader,
    data,
    {
      enter(_path, node) {
        if (node.type !== 'file' || Number(node.size ?? 0) < 65_536) return undefined;
        nodes.push(node);
        found += Number(node.size);
        return found >= sampleBytes ? 'stop' : undefined;
      },
    },
    { signal },
  );
  const startedMs = performance.now();
  let bytes = 0;
  for (const { content } of nodes) {
    for (const id of content ?? []) {
      if (bytes < sampleBytes) bytes += (await reader.loadBlob('data', id)).length;
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return bytes < 65_536 || seconds === 0 ? null : bytes / seconds;
}
