import { hostname, userInfo } from 'node:os';
import { type ByteString, toText } from '../../core/bytestring.ts';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { Snapshot, SnapshotSummary, StoredSnapshot } from '../../model/snapshot.ts';
import type { DamagedPage, EntrySource } from '../../model/source-entry.ts';
import { formatMilliseconds } from '../../model/time.ts';
import {
  anySnapshot,
  findSnapshot,
  matchesFilter,
  type SnapshotFilter,
} from '../../policy/snapshot-selection.ts';
import { type BlobReader, openBlobReader } from '../../repository/blob-reader.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import { beginReadingLists, type ReadingLists } from '../../repository/first-lists.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { holdsConfig, type Repository } from '../../repository/repository.ts';
import { listSnapshots, removeSnapshot, saveSnapshot } from '../../repository/snapshots.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { type Lookahead, noLookahead } from '../../sources/files/lookahead.ts';
import { targetTree } from '../../sources/files/targets.ts';
import { archive, type Selection } from './archive.ts';
import { type ArchiveEntriesResult, archiveEntries } from './archive-entries.ts';
import { archiveStream, type StreamSource } from './archive-stream.ts';
import type { BackupCounts, BackupEvents } from './events.ts';
import { absolutePath } from './selection.ts';

/** What a backup reads before it begins; may be read while its lock settles. */
export interface BackupGround {
  readonly snapshots: readonly StoredSnapshot[];
  readonly index: BlobIndex;
}

/** Snapshots first, then the index: so all that a snapshot refers to is in the index. */
export async function readGround(
  repository: Repository,
  lists: ReadingLists = beginReadingLists(repository.storage),
): Promise<BackupGround> {
  const loading = loadIndex(repository, { listed: lists.index });
  loading.catch(() => undefined); // thrown below, unless the snapshots cannot be read
  const { snapshots } = await listSnapshots(repository, true, lists.snapshots);
  return { snapshots, index: await loading };
}

export interface ParentRule {
  /** ID, beginning of one, or `latest`; undefined for the latest in the group. */
  readonly named: string | undefined;
  readonly filter: SnapshotFilter;
}

export interface BackupRequest {
  /** Files and folders, one stream, or what a source yields entry by entry. */
  readonly source:
    | { readonly paths: readonly ByteString[] }
    | { readonly stream: StreamSource }
    | { readonly entries: EntrySource };
  readonly selection: Selection;
  /** null: read every file again. */
  readonly parent: ParentRule | null;
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  readonly withAtime: boolean;
  /** Nothing is written before this resolves: for a lock that was taken early. */
  readonly mayWrite?: Promise<void>;
  /** What was seen of the paths while the repository was opened. */
  readonly lookahead?: Lookahead;
  readonly skipIfUnchanged: boolean;
  readonly tags: readonly string[];
  readonly excludes: readonly string[];
  readonly host: string;
  /** Milliseconds since 1970; undefined for now. */
  readonly timeMs: number | undefined;
  readonly program: string;
  readonly workingDirectory: string;
  readonly compression: Compression;
  readonly packBytes: number | undefined;
  readonly workers: number | undefined;
  readonly signal: AbortSignal;
  readonly events: BackupEvents & { parent?(snapshot: StoredSnapshot | null): void };
}

export interface BackupReport {
  /** null where nothing changed and that was to be skipped. */
  readonly snapshotId: Id | null;
  readonly tree: Id;
  readonly parent: StoredSnapshot | null;
  readonly summary: SnapshotSummary;
  /** Items that could not be read, vanished or changed while they were read. */
  readonly problems: number;
  /** Pages of database files whose checksum is wrong; stored as they are. */
  readonly damagedPages: readonly DamagedPage[];
}

/** Now, with what finer digits the clock has. */
const nowMs = (): number => performance.timeOrigin + performance.now();

function chooseParent(snapshots: readonly StoredSnapshot[], rule: ParentRule | null): StoredSnapshot | null {
  if (!rule) return null;
  if (rule.named) return findSnapshot(snapshots, rule.named, rule.filter).snapshot;
  const fitting = snapshots.some((snapshot) => matchesFilter(snapshot, rule.filter));
  return fitting ? findSnapshot(snapshots, 'latest', rule.filter).snapshot : null;
}

function summarize(counts: BackupCounts, store: BlobStore, start: number, end: number): SnapshotSummary {
  const totals = store.totals();
  return {
    backup_start: formatMilliseconds(start),
    backup_end: formatMilliseconds(end),
    files_new: counts.filesNew,
    files_changed: counts.filesChanged,
    files_unmodified: counts.filesUnmodified,
    dirs_new: counts.dirsNew,
    dirs_changed: counts.dirsChanged,
    dirs_unmodified: counts.dirsUnmodified,
    data_blobs: totals.dataBlobs,
    tree_blobs: totals.treeBlobs,
    data_added: totals.bytes,
    data_added_packed: totals.packedBytes,
    total_files_processed: counts.filesNew + counts.filesChanged + counts.filesUnmodified,
    total_bytes_processed: counts.bytes,
  };
}

/** Snapshots store paths as text; bytes that are no UTF-8 become U+FFFD, as in restic. */
function snapshotPaths(request: BackupRequest): string[] {
  if ('stream' in request.source) return [`/${request.source.stream.name.replace(/^\/+/, '')}`];
  if ('entries' in request.source) return [...request.source.entries.paths];
  return request.source.paths.map((path) => toText(absolutePath(path, request.workingDirectory)));
}

function snapshotTags({ source, tags }: BackupRequest): string[] {
  return [...new Set([...tags, ...('entries' in source ? source.entries.tags() : [])])];
}

function describeSnapshot(
  request: BackupRequest,
  tree: Id,
  parent: StoredSnapshot | null,
  startMs: number,
): Snapshot {
  const user = userInfo();
  const tags = snapshotTags(request);
  return {
    time: formatMilliseconds(request.timeMs ?? startMs),
    ...(parent ? { parent: parent.id } : {}),
    tree,
    paths: snapshotPaths(request),
    hostname: request.host || hostname(),
    username: user.username,
    uid: user.uid,
    gid: user.gid,
    ...(request.excludes.length > 0 ? { excludes: [...request.excludes] } : {}),
    ...(tags.length > 0 ? { tags } : {}),
    program_version: request.program,
  };
}

async function archiveSource(
  repository: Repository,
  store: BlobStore,
  reader: BlobReader,
  request: BackupRequest,
  parent: StoredSnapshot | null,
  startMs: number,
): Promise<ArchiveEntriesResult> {
  const { source, events, signal } = request;
  const parentTree = parent?.tree ?? null;
  if ('entries' in source) {
    const polynomial = repository.config.chunkerPolynomial;
    return archiveEntries(source.entries, store, reader, { parentTree, polynomial, signal, events });
  }
  if ('stream' in source) {
    const timeMs = request.timeMs ?? startMs;
    const stored = await archiveStream(source.stream, repository, store, timeMs, events, signal);
    return { ...stored, damagedPages: [] };
  }
  const stored = await archive(targetTree(source.paths), store, reader, {
    selection: request.selection,
    parentTree,
    ignoreInode: request.ignoreInode,
    ignoreCtime: request.ignoreCtime,
    withAtime: request.withAtime,
    lookahead: request.lookahead ?? noLookahead,
    signal,
    events,
  });
  return { ...stored, damagedPages: [] };
}

/**
 * Makes one snapshot. The caller holds a shared lock.
 * Order: packs, index, then the snapshot; a kill at any instant leaves the repository whole.
 * @throws LifeboatError `source-unreadable` where nothing could be read, `cancelled`, storage errors.
 */
export async function runBackup(
  repository: Repository,
  ground: BackupGround,
  request: BackupRequest,
): Promise<BackupReport> {
  const startMs = nowMs();
  const { events } = request;
  const parent = chooseParent(ground.snapshots, request.parent);
  events.parent?.(parent);
  request.lookahead?.stop();
  const reader = openBlobReader(repository, ground.index);
  const store = openBlobStore(repository, ground.index, {
    compression: request.compression,
    ...(request.packBytes ? { packBytes: request.packBytes } : {}),
    ...(request.workers ? { workers: request.workers } : {}),
    ...(request.mayWrite ? { mayWrite: request.mayWrite } : {}),
  });
  // Workers may have minutes of a large file before them.
  const cancelWorkers = (): void => store.pool.cancel();
  request.signal.addEventListener('abort', cancelWorkers, { once: true });
  try {
    const { tree, counts, damagedPages } = await archiveSource(
      repository,
      store,
      reader,
      request,
      parent,
      startMs,
    );
    await store.finish();
    request.signal.throwIfAborted();
    const summary = summarize(counts, store, startMs, nowMs());
    if (request.skipIfUnchanged && parent?.tree === tree) {
      return { snapshotId: null, tree, parent, summary, problems: counts.problems, damagedPages };
    }
    const snapshot = { ...describeSnapshot(request, tree, parent, startMs), summary };
    const snapshotId = await saveUnlessVanished(repository, snapshot);
    return { snapshotId, tree, parent, summary, problems: counts.problems, damagedPages };
  } catch (error) {
    if (request.signal.aborted && request.signal.reason instanceof LifeboatError) throw request.signal.reason;
    if (!request.signal.aborted) throw error;
    // Best effort: without it the next backup only stores again what this one has stored.
    await store.keepStored().catch((failed: unknown) => events.warning?.(messageOf(failed)));
    throw new LifeboatError('cancelled', 'the backup was interrupted; no snapshot was made', {
      cause: error,
    });
  } finally {
    request.signal.removeEventListener('abort', cancelWorkers);
    reader.close();
    await store.close();
  }
}

/**
 * A repository that was deleted, or whose disk was unmounted, while the backup ran must not end as a success:
 * what was written since lies in folders made anew. A distant storage is asked in the same round trip.
 */
async function saveUnlessVanished(repository: Repository, snapshot: Snapshot): Promise<Id> {
  if (repository.storage.localPath('config') !== null) {
    await refuseVanished(repository);
    return saveSnapshot(repository, snapshot);
  }
  const [there, saving] = await Promise.allSettled([
    refuseVanished(repository),
    saveSnapshot(repository, snapshot),
  ]);
  if (saving.status === 'rejected') throw there.status === 'rejected' ? there.reason : saving.reason;
  if (there.status === 'fulfilled') return saving.value;
  await removeSnapshot(repository, saving.value);
  throw there.reason;
}

async function refuseVanished(repository: Repository): Promise<void> {
  if (await holdsConfig(repository)) return;
  throw new LifeboatError(
    'repository-missing',
    `the repository at ${repository.storage.location} disappeared during the backup; no snapshot was made`,
    {
      hint: 'check that its disk is mounted, or create it again with `lifeboat init`, then run the backup again',
    },
  );
}

/** The filter for the latest snapshot of the same host, paths or tags, as `--group-by` says. */
export function parentFilter(
  by: { readonly host: boolean; readonly paths: boolean; readonly tags: boolean },
  of: { readonly host: string; readonly paths: readonly string[]; readonly tags: readonly string[] },
  notAfterMs: number | undefined,
): SnapshotFilter {
  return {
    ...anySnapshot,
    hosts: by.host ? [of.host] : [],
    paths: by.paths ? of.paths : [],
    tags: by.tags ? [of.tags] : [],
    ...(notAfterMs === undefined
      ? {}
      : {
          notAfter: {
            seconds: Math.floor(notAfterMs / 1000),
            nanoseconds: Math.round((notAfterMs % 1000) * 1e6),
          },
        }),
  };
}
