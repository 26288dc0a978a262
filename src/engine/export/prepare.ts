import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool, packBytesDefault } from '../../repository/workers/pool.ts';
import { treeOfSnapshot } from '../look/find-snapshot.ts';
import { findUsedBlobs } from '../prune/used-blobs.ts';
import { journalsOf } from './journal-objects.ts';
import { type ExportPlan, planExport } from './plan.ts';

export interface PrepareExportOptions {
  readonly wholePacks: boolean;
  readonly withJournals: boolean;
  readonly packBytes?: number | undefined;
  readonly signal?: AbortSignal;
}

export interface PreparedExport {
  readonly index: BlobIndex;
  readonly plan: ExportPlan;
}

/**
 * Finds out what snapshots need. Changes nothing.
 * @throws LifeboatError `repository-damaged` where something that they need is missing.
 */
export async function prepareExport(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  options: PrepareExportOptions,
): Promise<PreparedExport> {
  const { signal, packBytes = packBytesDefault } = options;
  const index = await loadIndex(repository);
  const pool = openPool(repository, { table: index.table.memory });
  try {
    const trees = snapshots.map(treeOfSnapshot);
    const used = await findUsedBlobs(repository, index, pool, trees, signal ? { signal } : {});
    const journals = options.withJournals
      ? await journalsOf(repository, snapshots)
      : { sources: [], objects: [] };
    const plan = planExport({
      ...{ index, used, snapshots, packBytes },
      wholePacks: options.wholePacks,
      journal: journals.objects,
      journalSources: journals.sources,
    });
    return { index, plan };
  } finally {
    await pool.close();
  }
}
