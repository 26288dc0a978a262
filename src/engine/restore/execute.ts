import { type ByteString, toText } from '../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import type { WorkerPool } from '../../repository/workers/pool.ts';
import type { PackSource, RestoreInput, RestoreOutput } from '../../repository/workers/protocol.ts';
import { applyMetadata, createSpecial } from '../../sources/files/restore-metadata.ts';
import {
  ensureFolder,
  isPlainFolder,
  linkFile,
  listRecursively,
  makeWritable,
  prepareSizedFile,
  removeObstacle,
  writeParts,
} from '../../sources/files/restore-target.ts';
import { compareFiles } from './compare-existing.ts';
import { blobsOfFile, plainBytes } from './file-content.ts';
import { jobsTogether } from './jobs-together.ts';
import { isWhole, type PackJob, packJobs, partsOfNewFiles } from './pack-jobs.ts';
import { createPackStretches, type PackPart } from './pack-stretches.ts';
import type { RestoreCounts, RestoreRequest } from './request.ts';
import type { PlannedEntry, PlannedFile, PlannedFolder, PlannedLink, RestoreWindow } from './window.ts';

/** Jobs on their way for each worker; more would only wait. */
const jobsPerWorker = 3;
/** Errors after which no other file will fare better. */
const fatalErrors = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

export interface Executor {
  /** Begins to fetch what the window that comes first wants, and writes nothing yet. */
  foresee(window: RestoreWindow): void;
  /** Begins with a window; resolves when there is room for the next one. @throws what ended the restore. */
  run(window: RestoreWindow): Promise<void>;
  /** Resolves when all windows are done. @throws the same. */
  finish(): Promise<void>;
  /** Numbers of the files whose content was written. */
  readonly written: ReadonlySet<number>;
}

export interface ExecutorContext {
  readonly repository: Repository;
  readonly index: BlobIndex;
  readonly reader: BlobReader;
  readonly pool: WorkerPool;
  readonly request: RestoreRequest;
  readonly counts: RestoreCounts;
}

export function createExecutor(context: ExecutorContext): Executor {
  const { repository, index, reader, pool, request, counts } = context;
  const { events, signal, dryRun } = request;
  const { table } = index;
  const { storage } = repository;
  const written = new Set<number>();
  const failedPaths = new Set<ByteString>();
  const isDistant = storage.localPath('data/x') === null;
  const stretches = createPackStretches(storage, index.packId);
  let foreseen: readonly PackPart[] = [];
  let fatal: unknown = null;
  let lastWindow: Promise<void> = Promise.resolve();

  const sizeOf = (entry: number): number => plainBytes(table.locationOf(entry));

  function problem(location: ByteString, error: unknown): void {
    if (fatalErrors.has(errnoOf(error))) {
      fatal ??= new LifeboatError(
        'target-failed',
        `cannot go on restoring to ${toText(request.target)}: ${messageOf(error)}`,
        { cause: error },
      );
      pool.cancel();
      return;
    }
    counts.problems++;
    events.problem(location, error);
  }

  function fail(file: PlannedFile, error: unknown): void {
    if (file.failed) return;
    file.failed = true;
    failedPaths.add(file.path);
    problem(file.location, error);
  }

  function stopIfNeeded(): void {
    if (fatal) throw fatal;
    signal.throwIfAborted();
  }

  /** Does something to one entry; a failure is that entry's. */
  function attempt(entry: { readonly location: ByteString }, deed: () => void): boolean {
    try {
      deed();
      return true;
    } catch (error) {
      problem(entry.location, error);
      return false;
    }
  }

  function setMetadata({ path, location, node }: PlannedEntry): void {
    const problems = applyMetadata(path, node, {
      owner: request.owner,
      ...(request.selectXattr ? { selectXattr: request.selectXattr } : {}),
    });
    for (const { what, error } of problems)
      problem(location, new Error(`cannot set the ${what}: ${messageOf(error)}`, { cause: error }));
  }

  function makeFolders(folders: readonly PlannedFolder[]): void {
    for (const folder of folders) {
      // Below what could not be made there may be a symlink to elsewhere.
      folder.failed = folder.parent?.failed === true || !attempt(folder, () => ensureFolder(folder.path));
    }
  }

  async function findUnchanged(files: readonly PlannedFile[]): Promise<void> {
    const existing = files.filter((file) => file.compare);
    await compareFiles(existing, table, sizeOf, pool, (file, matches) => {
      // What cannot be read is written anew.
      if (!matches) return;
      const held = matches.reduce((sum, match) => sum + match, 0);
      if (held === matches.length && Number(file.existing!.size) === file.size) file.unchanged = true;
      else if (held > 0 && file.existing!.nlink === 1) file.matches = matches;
    });
  }

  function fileDone(file: PlannedFile): void {
    if (file.failed) return;
    if (!dryRun && !file.metadataSet) setMetadata(file);
    if (file.unchanged) {
      counts.filesSkipped++;
      counts.bytesSkipped += file.size;
      events.item?.('unchanged', file.location, file.size);
      return;
    }
    written.add(file.number);
    counts.filesRestored++;
    counts.bytesRestored += file.size;
    events.item?.(file.existing && file.compare ? 'updated' : 'restored', file.location, file.size);
  }

  /** Makes way for a file; afterwards `existing` is a regular file with one name, or null. */
  function clearPlace(file: PlannedFile): void {
    const { existing } = file;
    if (!existing) return;
    if (typeOfStatMode(existing.mode) === 'file' && existing.nlink === 1) {
      makeWritable(file.path, existing.mode);
      return;
    }
    removeObstacle(file.path, request.deleteExtra);
    file.existing = null;
  }

  function prepareFile(file: PlannedFile): void {
    if (isWhole(file)) return;
    const existing = file.existing !== null;
    prepareSizedFile(file.path, { size: file.size, keep: file.matches !== null, existing });
  }

  /** What a new file in an ordinary folder needs, a worker can set while it has the file open. */
  function workerSetsMetadata({ existing, node, folder }: PlannedFile): boolean {
    if (existing || node.extended_attributes?.length || request.owner === 'names') return false;
    folder.plain ??= isPlainFolder(folder.path);
    return folder.plain;
  }

  async function sourceOf(job: PackJob): Promise<PackSource> {
    const key = keyOf('data', index.packId(job.pack));
    const path = storage.localPath(key);
    return path === null ? stretches.sourceOf(job) : { path };
  }

  /** What a worker is told of a job; or, where its pack cannot be had, what comes of that. */
  async function inputOf(job: PackJob): Promise<RestoreInput | RestoreOutput> {
    const packName = index.packId(job.pack);
    try {
      return { ...job.input, source: await sourceOf(job), packName, writeBack: request.writeBack === true };
    } catch (error) {
      const message = `pack ${packName} cannot be read: ${messageOf(error)}`;
      const problems = job.files.map((_, file) => ({ file, code: 'repository-damaged', message }));
      return { problems, withoutMetadata: [] };
    }
  }

  /** Jobs that a worker does together. */
  async function runTogether(jobs: readonly PackJob[], damaged: Map<PlannedFile, Error>): Promise<void> {
    const inputs = await Promise.all(jobs.map(inputOf));
    const parts = inputs.filter((input) => 'source' in input);
    const outputs = parts.length === 0 ? [] : [...(await pool.run('restore', parts))];
    for (const [n, input] of inputs.entries())
      conclude(jobs[n]!, 'source' in input ? outputs.shift()! : input, damaged);
    for (const job of jobs) stretches.release(job);
  }

  function conclude(
    job: PackJob,
    { problems, withoutMetadata }: RestoreOutput,
    damaged: Map<PlannedFile, Error>,
  ): void {
    for (const index of withoutMetadata) job.files[index]!.metadataSet = false;
    for (const { file: index, code, message } of problems) {
      const file = job.files[index]!;
      if (code === 'repository-damaged') {
        if (!damaged.has(file)) damaged.set(file, new LifeboatError('repository-damaged', message));
      } else fail(file, Object.assign(new Error(message), { code }));
    }
    for (const file of job.files) if (--file.jobsLeft === 0 && !damaged.has(file)) fileDone(file);
  }

  async function runJobs(
    all: readonly PackJob[],
    more: boolean,
    damaged: Map<PlannedFile, Error>,
  ): Promise<void> {
    const running = new Set<Promise<void>>();
    const inTurn = jobsTogether(all);
    if (isDistant) stretches.expect(inTurn.flat(), more);
    for (const part of foreseen) stretches.release(part);
    foreseen = [];
    for (const together of inTurn) {
      while (running.size >= jobsPerWorker * pool.size) await Promise.race(running);
      if (fatal || signal.aborted) break;
      const work: Promise<void> = runTogether(together, damaged)
        .catch((error: unknown) => {
          fatal ??= error;
        })
        .finally(() => running.delete(work));
      running.add(work);
    }
    await Promise.all(running);
    stopIfNeeded();
  }

  /** Writes a file again where a pack was damaged: another pack may hold an intact copy of the blob. */
  async function rescue(file: PlannedFile, damage: Error): Promise<void> {
    const content = file.node.content ?? [];
    try {
      if (!content.some((id) => index.findAll('data', id).length > 1)) throw damage;
      removeObstacle(file.path, false);
      prepareSizedFile(file.path, { size: file.size, keep: false, existing: false });
      file.metadataSet = false;
      await writeParts(file.path, content.length, (n) => reader.loadBlob('data', content[n]!));
    } catch (error) {
      fail(file, error);
      return;
    }
    fileDone(file);
  }

  async function restoreFiles(files: readonly PlannedFile[], more: boolean): Promise<void> {
    await findUnchanged(files);
    stopIfNeeded();
    const toWrite: PlannedFile[] = [];
    for (const file of files) {
      if (file.folder.failed) {
        fail(file, new Error('the folder it belongs into could not be made'));
      } else if (file.unchanged) fileDone(file);
      else {
        counts.filesTotal++;
        counts.bytesTotal += file.size;
        if (dryRun) fileDone(file);
        else if (attempt(file, () => clearPlace(file))) toWrite.push(file);
        else failedPaths.add(file.path);
      }
    }
    if (dryRun) return;
    const jobs = packJobs(toWrite, table, sizeOf, request.sparse, workerSetsMetadata);
    for (const file of toWrite) {
      if (!attempt(file, () => prepareFile(file))) {
        file.failed = true;
        failedPaths.add(file.path);
      } else if (file.jobsLeft === 0) fileDone(file);
    }
    stopIfNeeded();
    const damaged = new Map<PlannedFile, Error>();
    await runJobs(jobs, more, damaged);
    for (const [file, damage] of damaged) if (!file.failed) await rescue(file, damage);
  }

  function makeSpecial(entry: PlannedEntry): void {
    if (entry.folder.failed) {
      problem(entry.location, new Error('the folder it belongs into could not be made'));
      return;
    }
    const made =
      dryRun ||
      attempt(entry, () => {
        createSpecial(entry.path, entry.node);
        setMetadata(entry);
      });
    if (!made) return;
    counts.filesRestored++;
    events.item?.('restored', entry.location, null);
  }

  /** Files that get their own content because they cannot be linked. */
  function makeLinks(links: readonly PlannedLink[]): PlannedFile[] {
    const unlinkable: PlannedFile[] = [];
    for (const link of links) {
      if (link.folder.failed) {
        problem(link.location, new Error('the folder it belongs into could not be made'));
        continue;
      }
      let linked = true;
      const done =
        dryRun ||
        attempt(link, () => {
          linked = !failedPaths.has(link.first) && linkFile(link.first, link.path);
          if (!linked) unlinkable.push(fileOfLink(link));
          else setMetadata(link);
        });
      if (!done || !linked) continue;
      counts.filesRestored++;
      events.item?.('restored', link.location, null);
    }
    return unlinkable;
  }

  function fileOfLink(link: PlannedLink): PlannedFile {
    counts.filesTotal--;
    removeObstacle(link.path, false);
    return {
      ...link,
      size: Number(link.node.size ?? 0),
      blobs: blobsOfFile(table, index.packCount(), link.location, link.node),
      existing: null,
      compare: false,
      unchanged: false,
      matches: null,
      metadataSet: false,
      jobsLeft: 0,
      failed: false,
    };
  }

  function removeExtra(path: ByteString): void {
    const location = path;
    attempt({ location }, () => {
      const all = listRecursively(path);
      if (!dryRun) removeObstacle(path, true);
      for (const removed of all) {
        counts.filesDeleted++;
        events.item?.('deleted', removed, null);
      }
    });
  }

  function closeFolder(folder: PlannedFolder): void {
    if (folder.failed || !folder.node) return;
    if (!dryRun) setMetadata({ ...folder, node: folder.node, folder });
    counts.filesRestored++;
    events.item?.('restored', folder.location, null);
  }

  async function runWindow(window: RestoreWindow, before: Promise<void>): Promise<void> {
    await restoreFiles(window.files, window.more);
    for (const entry of window.specials) makeSpecial(entry);
    // Links go to files, and folders are closed over files, of windows before.
    await before;
    stopIfNeeded();
    await restoreFiles(makeLinks(window.links), false);
    for (const path of window.removals) removeExtra(path);
    for (const folder of window.closed) closeFolder(folder);
    stopIfNeeded();
  }

  return {
    written,
    foresee({ files, more }) {
      if (!isDistant || dryRun) return;
      foreseen = partsOfNewFiles(files, table);
      stretches.expect(foreseen, more);
    },
    async run(window) {
      stopIfNeeded();
      if (!dryRun) makeFolders(window.folders);
      const before = lastWindow;
      lastWindow = runWindow(window, before);
      lastWindow.catch((error: unknown) => {
        fatal ??= error;
      });
      await before;
      stopIfNeeded();
    },
    async finish() {
      try {
        await lastWindow;
      } catch (error) {
        throw fatal ?? error;
      }
      stopIfNeeded();
    },
  };
}
