import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { parseSnapshot } from '../../model/snapshot-codec.ts';
import { type BlobIndex, createBlobIndex } from '../../repository/index/blob-index.ts';
import { parseIndex } from '../../repository/index/codec.ts';
import { listFiles } from '../../repository/repository.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { treeOfSnapshot } from '../look/find-snapshot.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';
import { describeBlobs, type ReceivedExport } from './read-export.ts';

export interface VerifiedExport {
  readonly index: BlobIndex;
  readonly snapshots: readonly StoredSnapshot[];
}

/**
 * Whether what was read fits together: the index tells of every pack what its header tells, and of no other; the snapshots
 * are those of the manifest; every folder of them can be read, and all that they refer to is there.
 *
 * @throws LifeboatError `export-damaged`; `repository-damaged` naming the blobs that are missing.
 */
export async function verifyExport(received: ReceivedExport, signal?: AbortSignal): Promise<VerifiedExport> {
  const { repository, manifest } = received;
  const index = await loadCheckedIndex(received);
  const ids = (await listFiles(repository.storage, 'snapshots')).map(({ id }) => id);
  if ([...ids].sort().join() !== [...manifest.snapshots].sort().join())
    throw refusal('it holds other snapshots than its manifest tells');
  const snapshots: StoredSnapshot[] = [];
  for (const id of manifest.snapshots)
    snapshots.push({ ...parseSnapshot(await repository.files.load('snapshots', id)), id });
  const pool = openPool(repository, { table: index.table.memory });
  try {
    const trees = snapshots.map(treeOfSnapshot);
    await findUsedBlobs(repository, index, pool, trees, signal ? { signal } : {});
  } finally {
    await pool.close();
  }
  return { index, snapshots };
}

const refusal = (why: string): LifeboatError =>
  new LifeboatError('export-damaged', `the export does not fit together: ${why}`);

async function loadCheckedIndex({ repository, packs }: ReceivedExport): Promise<BlobIndex> {
  const index = createBlobIndex();
  const indexed = new Set<Id>();
  for (const { id: file } of await listFiles(repository.storage, 'index')) {
    const named: number[] = [];
    for (const pack of parseIndex(await repository.files.load('index', file), file)) {
      const header = packs.get(pack.id);
      if (header === undefined) throw refusal(`index ${file} tells of pack ${pack.id}, which is not in it`);
      if (describeBlobs(pack.blobs) !== header)
        throw refusal(`index ${file} tells of pack ${pack.id} something else than that itself does`);
      indexed.add(pack.id);
      named.push(index.addPack(pack));
    }
    index.files.set(file, named);
  }
  for (const id of packs.keys())
    if (!indexed.has(id)) throw refusal(`pack ${id} is in it, and no index tells of it`);
  return index;
}
