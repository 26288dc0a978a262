import { toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { openPool } from '../../repository/workers/pool.ts';
import { makeTargetFolder } from '../../sources/files/restore-target.ts';
import { createExecutor } from './execute.ts';
import { planRestore } from './plan.ts';
import type { RestoreCounts, RestoreRequest } from './request.ts';
import { windowLimitsFor } from './window.ts';

export interface RestoreReport {
  readonly counts: Readonly<RestoreCounts>;
  /** Numbers, in the order of the walk, of the files whose content was written. */
  readonly written: ReadonlySet<number>;
  readonly durationMs: number;
}

/** A restore under way: its counts may be looked at while it runs. */
export interface RunningRestore {
  counts(): Readonly<RestoreCounts>;
  readonly done: Promise<RestoreReport>;
}

function noCounts(): RestoreCounts {
  return {
    filesTotal: 0,
    filesRestored: 0,
    filesSkipped: 0,
    filesDeleted: 0,
    bytesTotal: 0,
    bytesRestored: 0,
    bytesSkipped: 0,
    problems: 0,
  };
}

/** Does something when it is first asked for. */
function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= work());
}

/**
 * Restores a tree into a folder. Problems with single entries are told to `request.events` and counted; the
 * promise rejects only where nothing more can be done.
 *
 * @throws LifeboatError `target-failed` where the target cannot be written, `cancelled`,
 *   `repository-damaged` where the root tree cannot be read.
 */
export function startRestore(
  repository: Repository,
  index: BlobIndex,
  request: RestoreRequest,
): RunningRestore {
  const counts = noCounts();
  const pool = openPool(repository, request.workers === undefined ? {} : { workers: request.workers });

  async function run(): Promise<RestoreReport> {
    const startedMs = performance.now();
    const cancel = (): void => pool.cancel();
    request.signal.addEventListener('abort', cancel, { once: true });
    try {
      const reader = openBlobReader(repository, index);
      const executor = createExecutor({ repository, index, reader, pool, request, counts });
      const limits = windowLimitsFor(repository.storage);
      let begun = false;
      const begin = once(async () => {
        await request.mayWrite;
        begun = true;
        if (!request.dryRun) makeTargetFolder(request.target);
      });
      await planRestore(reader, index, request, counts, limits, async (window) => {
        if (!begun) executor.foresee(window);
        await begin();
        await executor.run(window);
      });
      await begin();
      await executor.finish();
      return { counts, written: executor.written, durationMs: performance.now() - startedMs };
    } catch (error) {
      if (!request.signal.aborted || request.signal.reason instanceof LifeboatError) throw error;
      throw new LifeboatError('cancelled', `the restore to ${toText(request.target)} was interrupted`, {
        cause: error,
        hint: 'run the same command again; files already restored are kept',
      });
    } finally {
      request.signal.removeEventListener('abort', cancel);
      await pool.close();
    }
  }

  return {
    counts: () => ({ ...counts, bytesRestored: Math.max(counts.bytesRestored, pool.progressBytes()) }),
    done: run(),
  };
}
