import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByteString, toPath, toText } from '../../core/bytestring.ts';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import type { DamagedPage, EntryRun, EntrySource, SourceEntry } from '../../model/source-entry.ts';
import { sameInstant } from '../../model/time.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import type { ArchiveResult } from './archive.ts';
import { contentIds } from './content-ids.ts';
import { createContentSaver } from './entry-content.ts';
import { nodeOfEntry, timesOf } from './entry-node.ts';
import { createEntryTree, type PlacedEntry } from './entry-tree.ts';
import type { BackupEvents } from './events.ts';
import { isGone } from './file-outcomes.ts';
import { createParentEntries, type ParentEntry, wholeNode } from './parent-entries.ts';
import { type CutOutcome, createPieceQueue } from './piece-queue.ts';
import { createTally } from './tally.ts';
import { takeUntilAborted } from './until-aborted.ts';

/**
 * Archives what a source yields, entry by entry, in whatever order. Contents go to the workers by a bounded queue;
 * the trees are stored when all entries are known.
 */

export interface ArchiveEntriesOptions {
  /** Root tree of the parent snapshot, or null to read every file. */
  readonly parentTree: Id | null;
  /** The repository's, for contents that are cut by it. */
  readonly polynomial: bigint;
  readonly signal: AbortSignal;
  readonly events: BackupEvents;
}

export interface ArchiveEntriesResult extends ArchiveResult {
  readonly damagedPages: readonly DamagedPage[];
}

/** Entries between two turns of the event loop, so that packs are stored while the source goes on. */
const entriesPerTurn = 256;

/** Damaged pages that are listed one by one; of a disk that is broken all over no more need be known. */
const damagedPagesMax = 100_000;

/** A file whose content is on its way. */
interface OpenFile {
  readonly entry: SourceEntry;
  readonly placed: PlacedEntry;
  readonly parent: ParentEntry | null;
  readonly startMs: number;
}

/**
 * A file that changed while it was read gets the time of its last change: were it the earlier one, the content would
 * be taken for what the file had been then, and be trusted by the next backup.
 */
function noteLaterChange(node: TreeNode, path: ByteString, mtimeNs: bigint): void {
  const now = statSync(toPath(path), { bigint: true, throwIfNoEntry: false });
  if (now && now.mtimeNs !== mtimeNs) Object.assign(node, timesOf(now.mtimeNs));
}

const shownPath = (path: string): ByteString => `/${path}` as ByteString;

/**
 * @throws LifeboatError `source-unreadable` where nothing at all could be saved; what the source throws; storage
 *   errors. The first of them, once the source has cleaned up.
 */
export async function archiveEntries(
  source: EntrySource,
  store: BlobStore,
  reader: BlobReader,
  options: ArchiveEntriesOptions,
): Promise<ArchiveEntriesResult> {
  const { events } = options;
  const tally = createTally(events);
  const { counts } = tally;
  const warning = (message: string): void => events.warning?.(message);
  const parents = createParentEntries(options.parentTree, reader.loadTree, warning);
  const tree = createEntryTree();
  const damagedPages: DamagedPage[] = [];
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  let sinceTurn = 0;
  let reusedBytes = 0;
  let current: ByteString[] = [];

  function report(): void {
    events.progress?.({
      files: counts.filesNew + counts.filesChanged + counts.filesUnmodified,
      bytes: store.pool.progressBytes() + reusedBytes,
      problems: counts.problems,
      current,
    });
  }

  const queue = createPieceQueue(store, report, (error) => failed.abort(error));
  const failedToEnd = (error: unknown): void => warning(`the source did not end well: ${messageOf(error)}`);
  const { polynomial } = options;
  const contents = createContentSaver({ store, queue, polynomial, failedToEnd });

  function noteDamage(path: ByteString, pages: CutOutcome['damaged']): void {
    for (const page of pages) {
      if (damagedPages.length === damagedPagesMax)
        warning(`more than ${damagedPagesMax} damaged pages were found; the others are not listed`);
      if (damagedPages.length >= damagedPagesMax) return;
      damagedPages.push({ path, ...page });
    }
  }

  function problem(file: OpenFile, code: string, message: string): void {
    tally.problem(shownPath(file.entry.path), Object.assign(new Error(message), { code }));
  }

  function contentDone(file: OpenFile, outcome: CutOutcome): void {
    const { entry, placed } = file;
    noteDamage(entry.path, outcome.damaged);
    if (outcome.problem) {
      const { code, message } = outcome.problem;
      placed.remove();
      if (!(entry.mayVanish && isGone(outcome.problem))) problem(file, code, message);
      return;
    }
    const wanted = entry.content?.kind === 'file' ? entry.content.size : outcome.size;
    if (outcome.size < wanted && !entry.mayVanish)
      problem(
        file,
        'ECHANGED',
        `became shorter while it was read: ${outcome.size} bytes instead of ${wanted}`,
      );
    if (entry.content?.kind === 'file') noteLaterChange(placed.node, entry.content.path, entry.mtimeNs);
    keep(file, outcome.ids, outcome.size, outcome);
  }

  function keep(
    { entry, placed, parent, startMs }: OpenFile,
    ids: Uint8Array,
    size: number,
    { newBytes, storedBytes }: Pick<CutOutcome, 'newBytes' | 'storedBytes'>,
  ): void {
    placed.content = ids;
    if (size > 0) placed.node.size = size;
    const node = { ...placed.node, content: contentIds(ids) };
    const previous = parent ? wholeNode(parent) : undefined;
    tally.file(shownPath(entry.path), node, previous, startMs, { newBytes, storedBytes });
  }

  /** Whether the repository still holds all blobs of a content. */
  function holds(content: Uint8Array): boolean {
    for (let at = 0; at < content.length; at += 32) {
      if (store.index.table.find('data', content.subarray(at, at + 32)) < 0) return false;
    }
    return true;
  }

  /** Takes the parent's content over where the source vouches for it. Returns whether it did. */
  function reuse({ entry, placed, parent }: OpenFile): boolean {
    if (!entry.reusable || !parent?.content || entry.content?.kind !== 'file') return false;
    const { size } = entry.content;
    if ((parent.light.size ?? 0) !== size || !sameInstant(parent.light.mtime, placed.node.mtime))
      return false;
    if (!holds(parent.content)) {
      warning(
        `${toText(entry.path)} is unchanged, but parts of it are missing from the repository; it is read anew`,
      );
      return false;
    }
    placed.content = parent.content;
    if (size > 0) placed.node.size = size;
    reusedBytes += size;
    tally.unchangedFile(shownPath(entry.path), { ...placed.node, content: contentIds(parent.content) }, size);
    return true;
  }

  async function take(entry: SourceEntry): Promise<void> {
    const placed = tree.add(entry.path, nodeOfEntry(entry));
    if (entry.type !== 'file') return;
    const found = parents.find(entry.path);
    const parent = found instanceof Promise ? await found : found;
    const file = {
      entry,
      placed,
      parent: parent?.light.type === 'file' ? parent : null,
      startMs: tally.now(),
    };
    placed.content = new Uint8Array(0);
    current = [shownPath(entry.path)];
    const { content } = entry;
    if (!content) keep(file, placed.content, 0, { newBytes: 0, storedBytes: 0 });
    else if (!reuse(file)) await contents.save(content, signal, (outcome) => contentDone(file, outcome));
    await queue.room();
    if (++sinceTurn < entriesPerTurn) return;
    sinceTurn = 0;
    await nextTurn();
  }

  /** The first failure says more than that the rest was then given up. */
  const firstFailure = (error: unknown): unknown => (failed.signal.aborted ? failed.signal.reason : error);

  async function settled(): Promise<void> {
    await queue.settled();
    signal.throwIfAborted();
  }

  const run: EntryRun = {
    signal,
    damagedPages,
    settled,
    warning,
    expected: (files, bytes) => events.expected?.(files, bytes),
  };

  async function previousFolder(path: ByteString): Promise<TreeNode | undefined> {
    const found = await parents.find(path);
    return found?.light.type === 'dir' ? found.light : undefined;
  }

  try {
    await takeUntilAborted(source.entries(run), signal, take, failedToEnd);
    await settled();
    if (tree.isEmpty())
      throw new LifeboatError('source-unreadable', 'nothing was saved: the snapshot would be empty');
    const folders = { previous: previousFolder, done: folderDone };
    return { tree: await tree.save(store, folders), counts, damagedPages };
  } catch (error) {
    const first = firstFailure(error);
    store.pool.cancel();
    await queue.settled();
    throw first;
  } finally {
    current = [];
    report();
  }

  function folderDone(
    path: ByteString,
    node: TreeNode,
    previous: TreeNode | undefined,
  ): (treeBytes: number, treeStoredBytes: number) => void {
    return tally.folder(shownPath(path), node, previous, tally.now());
  }
}
