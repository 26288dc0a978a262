import { type ByteString, bytesOfText, toText } from '../core/bytestring.ts';
import { messageOf } from '../core/errors.ts';
import { type Comparison, compareWithFolder, type Difference } from '../engine/compare/compare-folder.ts';
import { type RestoreCounts, selectAll } from '../engine/restore/request.ts';
import { startRestore } from '../engine/restore/restore.ts';
import type { Id } from '../model/id.ts';
import { makeScratchFolder, removeScratchFolder, scratchBytesNeeded } from './scratch-folder.ts';

/** Proves that a snapshot can be restored: restores all of it, and compares it with the snapshot and the source. */
export interface ProofRequest {
  readonly tree: Id;
  /** What the snapshot holds, to know how much room is needed. */
  readonly bytes: number;
  readonly entries: number;
  /** Absolute paths that were backed up. */
  readonly sourcePaths: readonly ByteString[];
  /** What the backup reported as missing or incomplete. */
  readonly known: ReadonlySet<ByteString>;
  /** Where to restore to; undefined: where temporary files go. */
  readonly scratch: string | undefined;
  readonly signal: AbortSignal;
  /** Told of each phase as it begins, with a way to look at what is done. */
  readonly phase?: (phase: ProofPhase) => void;
}

export type ProofPhase =
  | { readonly name: 'restore'; readonly folder: string; counts(): Readonly<RestoreCounts> }
  | { readonly name: 'compare' | 'source'; filesDone(): number };

export interface Proof {
  /** Nothing failed and nothing differs. */
  readonly proven: boolean;
  readonly restored: Readonly<RestoreCounts>;
  /** What could not be restored, and what differs between the restored files and the snapshot. */
  readonly failures: readonly Difference[];
  /** What differs between the source and the snapshot although the source did not change. */
  readonly sourceDifferences: readonly Difference[];
  readonly changedSince: readonly ByteString[];
  /** Files and bytes compared in the restored folder. */
  readonly filesCompared: number;
  readonly bytesCompared: number;
  /** How long bringing everything back took: the recovery time of this data on this machine. */
  readonly restoreMs: number;
  readonly compareMs: number;
}

type Repository = Parameters<typeof startRestore>[0];
type Index = Parameters<typeof startRestore>[1];

/** @throws LifeboatError `scratch-full`, `cancelled`, `target-failed`, errors of the repository. */
export async function proveSnapshot(
  repository: Repository,
  index: Index,
  request: ProofRequest,
): Promise<Proof> {
  const { tree, signal } = request;
  const folder = makeScratchFolder(scratchBytesNeeded(request.bytes, request.entries), request.scratch);
  try {
    const failures: Difference[] = [];
    const running = startRestore(repository, index, {
      tree,
      target: bytesOfText(folder),
      selection: selectAll,
      overwrite: 'always',
      deleteExtra: false,
      dryRun: false,
      sparse: true,
      owner: 'numeric',
      signal,
      events: {
        problem: (path, error) => failures.push({ path, what: `cannot be restored: ${messageOf(error)}` }),
      },
    });
    request.phase?.({ name: 'restore', folder, counts: running.counts });
    const restored = await running.done;
    const startedMs = performance.now();
    const inScratch = await compare('compare', { tree, folder: bytesOfText(folder), signal });
    const inSource = await compare('source', {
      tree,
      folder: '/' as ByteString,
      sourcePaths: request.sourcePaths,
      known: request.known,
      signal,
    });
    failures.push(...inScratch.differences.map((one) => ({ ...one, path: below(folder, one.path) })));
    return {
      proven: failures.length === 0 && inSource.differences.length === 0,
      restored: restored.counts,
      failures,
      sourceDifferences: inSource.differences,
      changedSince: inSource.changedSince,
      filesCompared: inScratch.files,
      bytesCompared: inScratch.bytes,
      restoreMs: restored.durationMs,
      compareMs: performance.now() - startedMs,
    };
  } finally {
    removeScratchFolder(folder);
  }

  async function compare(
    name: 'compare' | 'source',
    what: Parameters<typeof compareWithFolder>[2],
  ): Promise<Comparison> {
    let files = 0;
    request.phase?.({ name, filesDone: () => files });
    return compareWithFolder(repository, index, {
      ...what,
      progress: (done) => {
        files = done;
      },
    });
  }
}

/** The path in the snapshot of a path in the scratch folder. */
function below(folder: string, path: ByteString): ByteString {
  const text = bytesOfText(folder);
  return (path.startsWith(text) ? path.slice(text.length) || '/' : bytesOfText(toText(path))) as ByteString;
}
