import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { bytesOfText, toText } from '../../core/bytestring.ts';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import { makeFolders } from '../../core/folders.ts';
import type { Id } from '../../model/id.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { type Account, markerName, syncFileSystem } from '../../sources/postgres/recovery/data-directory.ts';
import { formatTablespaceMap } from '../../sources/postgres/recovery/tablespace-map.ts';
import type { RestoreCounts, RestoreSelection } from '../restore/request.ts';
import { startRestore } from '../restore/restore.ts';
import type { RecoveryPlan } from './plan.ts';
import { type ClusterTrees, readSnapshotFile } from './snapshot-contents.ts';

/**
 * Brings the files of a cluster back. pg_control, without which no server starts, is taken away first and comes last,
 * under another name until it is whole: so a restore that was cut off at any moment is nothing that could be started.
 */

export interface ClusterRestore {
  readonly repository: Repository;
  readonly index: BlobIndex;
  readonly reader: BlobReader;
  readonly plan: RecoveryPlan;
  readonly trees: ClusterTrees;
  /** null: this process's own account. */
  readonly account: Account | null;
  readonly workers?: number;
  readonly signal: AbortSignal;
  /** Tells how to ask for the counts of what is being restored now. */
  readonly running: (what: string, counts: () => Readonly<RestoreCounts>) => void;
}

export interface RestoredFiles {
  readonly files: number;
  readonly bytes: number;
  readonly unchangedBytes: number;
  readonly deleted: number;
}

const controlPath = 'global/pg_control';
const problemsShown = 3;

/** Not taken from the snapshot with the rest, and not removed as superfluous either. */
function dataSelection(plan: RecoveryPlan, linkedLog: boolean): RestoreSelection {
  const left = new Set([
    `/${controlPath}`,
    `/${markerName}`,
    '/lost+found',
    ...plan.tablespaces.map(({ oid }) => `/pg_tblspc/${oid}`),
    ...(linkedLog ? ['/pg_wal'] : []),
  ]);
  return (location, isFolder) => {
    const selected = !left.has(location);
    return { selected, childMayBeSelected: selected && isFolder };
  };
}

const selectContent: RestoreSelection = (location, isFolder) => ({
  selected: location !== '/lost+found',
  childMayBeSelected: isFolder && location !== '/lost+found',
});

function makeFolder(path: string, account: Account | null): void {
  makeFolders(bytesOfText(path), 0o700);
  if (account) chownSync(path, account.uid, account.gid);
  // Servers refuse anything wider than group access.
  if ((lstatSync(path).mode & 0o027) !== 0) chmodSync(path, 0o700);
}

/** Restores one tree; any entry that could not be restored is a failure of the whole. */
async function restoreTree(
  work: ClusterRestore,
  tree: Id,
  target: string,
  selection: RestoreSelection,
): Promise<RestoredFiles> {
  const problems: string[] = [];
  const running = startRestore(work.repository, work.index, {
    tree,
    target: bytesOfText(target),
    selection,
    overwrite: 'always',
    deleteExtra: true,
    dryRun: false,
    sparse: false,
    writeBack: true,
    owner: 'numeric',
    ...(work.workers === undefined ? {} : { workers: work.workers }),
    signal: work.signal,
    events: {
      problem(location, error) {
        if (problems.length < problemsShown) problems.push(`${toText(location)}: ${messageOf(error)}`);
      },
    },
  });
  work.running(target, running.counts);
  const { counts } = await running.done;
  if (counts.problems > 0) {
    throw new LifeboatError(
      'restore-incomplete',
      `${counts.problems} entries could not be restored to ${target}; the cluster was left without its pg_control, so that it cannot start: ${problems.join('; ')}`,
    );
  }
  return {
    files: counts.filesRestored,
    bytes: counts.bytesRestored,
    unchangedBytes: counts.bytesSkipped,
    deleted: counts.filesDeleted,
  };
}

/** The folder that a symbolic link pg_wal leads to, or null where it is none. */
function linkedLogFolder(dataDirectory: string): string | null {
  const path = join(dataDirectory, 'pg_wal');
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : null;
  } catch {
    return null; // not there, or a link to nowhere, which the restore replaces
  }
}

function linkTablespaces(plan: RecoveryPlan, account: Account | null): void {
  const folder = join(plan.dataDirectory, 'pg_tblspc');
  for (const { oid, location } of plan.tablespaces) {
    const link = join(folder, String(oid));
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there?.isSymbolicLink() && readlinkSync(link) === location) continue;
    if (there) rmSync(link, { recursive: true });
    symlinkSync(location, link);
    if (account) lchownSync(link, account.uid, account.gid);
  }
  if (plan.tablespaces.length === 0) return;
  const map = formatTablespaceMap(plan.tablespaces.map(({ oid, location }) => ({ oid, path: location })));
  writeOwned(join(plan.dataDirectory, 'tablespace_map'), map, account);
}

/** Writes a small file of the cluster whole, or not at all. */
export function writeOwned(path: string, content: string | Uint8Array, account: Account | null): void {
  const temporary = `${path}.lifeboat`;
  writeFileSync(temporary, content, { mode: 0o600 });
  if (account) chownSync(temporary, account.uid, account.gid);
  renameSync(temporary, path);
}

function giveAll(path: string, account: Account): void {
  const { uid, gid } = lstatSync(path);
  if (uid !== account.uid || gid !== account.gid) lchownSync(path, account.uid, account.gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveAll(join(path, name), account);
}

/**
 * All but pg_control.
 * @param begun called when the folder is there, before anything is written into it.
 * @throws LifeboatError `restore-incomplete`, `target-failed`, `cancelled`.
 */
export async function restoreClusterFiles(work: ClusterRestore, begun: () => void): Promise<RestoredFiles> {
  const { plan, trees, account } = work;
  const { dataDirectory } = plan;
  makeFolder(dataDirectory, account);
  begun();
  const linkedLog = linkedLogFolder(dataDirectory);
  const parts = [await restoreTree(work, trees.data, dataDirectory, dataSelection(plan, linkedLog !== null))];
  if (linkedLog !== null) {
    const log = (await work.reader.loadTree(trees.data)).find(({ name }) => name === 'pg_wal');
    if (log?.subtree) parts.push(await restoreTree(work, log.subtree, linkedLog, selectContent));
  }
  for (const { oid, location } of plan.tablespaces) {
    makeFolder(location, account);
    parts.push(await restoreTree(work, trees.tablespaces.get(oid)!, location, selectContent));
  }
  linkTablespaces(plan, account);
  if (account && (account.uid !== trees.owner.uid || account.gid !== trees.owner.gid)) {
    const places = [
      dataDirectory,
      ...(linkedLog === null ? [] : [linkedLog]),
      ...plan.tablespaces.map((t) => t.location),
    ];
    for (const path of places) giveAll(path, account);
  }
  if (!existsSync(join(dataDirectory, 'backup_label')))
    throw new LifeboatError('repository-damaged', 'the snapshot has no backup_label: it is no whole backup');
  const sum = (of: (part: RestoredFiles) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    files: sum((part) => part.files),
    bytes: sum((part) => part.bytes),
    unchangedBytes: sum((part) => part.unchangedBytes),
    deleted: sum((part) => part.deleted),
  };
}

/** From now on the cluster cannot start. */
export function takeControlAway(dataDirectory: string): void {
  for (const name of [controlPath, `${controlPath}.lifeboat`])
    rmSync(join(dataDirectory, name), { force: true });
}

/** The last step: with it the cluster can start. What was written before is on the disk by then. */
export async function putControlInPlace(work: ClusterRestore): Promise<void> {
  const { plan, reader, trees, account } = work;
  const bytes = await readSnapshotFile(reader, trees.data, `/${controlPath}`);
  for (const path of [plan.dataDirectory, ...plan.tablespaces.map(({ location }) => location)])
    await syncFileSystem(path);
  const path = join(plan.dataDirectory, controlPath);
  const temporary = `${path}.lifeboat`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  if (account) chownSync(temporary, account.uid, account.gid);
  renameSync(temporary, path);
  const folder = openSync(join(plan.dataDirectory, 'global'), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The backup's own copy of a segment of its log, or null. */
export function ownSegment(dataDirectory: string, name: string): Buffer | null {
  const path = join(dataDirectory, 'pg_wal', name);
  return existsSync(path) ? readFileSync(path) : null;
}
