import { bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import { parseSnapshot } from '../../model/snapshot-codec.ts';
import {
  findSnapshot,
  type SelectedSnapshot,
  type SnapshotFilter,
  selectSnapshots,
} from '../../policy/snapshot-selection.ts';
import type { FirstLists } from '../../repository/first-lists.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { findSubtree, type TreeSource } from '../walk/walk-tree.ts';

/**
 * The one snapshot that a text names, see `findSnapshot` of the room policy. By ID only its own file is
 * read, so that many others cost nothing and a damaged one is no obstacle.
 *
 * @param listed the snapshot files, where they were listed already.
 * @throws LifeboatError `snapshot-missing`, `repository-damaged` for the file itself, storage errors.
 */
export async function loadNamedSnapshot(
  repository: Repository,
  text: string,
  filter?: SnapshotFilter,
  listed?: FirstLists['snapshots'] | undefined,
): Promise<SelectedSnapshot> {
  if (/^latest(?:~\d+)?(?::|$)/.test(text)) {
    const { snapshots, broken } = await listSnapshots(repository, true, listed);
    const [damage] = broken.values();
    // The damaged one may be the latest; to take another for it would be a guess.
    if (damage) {
      throw new LifeboatError('repository-damaged', `the latest snapshot cannot be told: ${damage.message}`, {
        cause: damage,
        hint: '`lifeboat snapshots` lists those that can be read; name one of them by its ID',
      });
    }
    return findSnapshot(snapshots, text, filter);
  }
  const files = await (listed ?? listFiles(repository.storage, 'snapshots'));
  const named = findSnapshot(
    files.map(({ id }): StoredSnapshot => ({ id, time: '', paths: [] })),
    text,
  );
  const { id } = named.snapshot;
  const snapshot = { ...parseSnapshot(await repository.files.load('snapshots', id)), id };
  return { snapshot, subfolder: named.subfolder };
}

/**
 * The snapshots that a command works on, oldest first where none is named.
 *
 * @throws LifeboatError for the first name that fits nothing, `usage` for a filter that would not count.
 */
export async function loadSnapshots(
  repository: Repository,
  names: readonly string[],
  filter?: SnapshotFilter,
  listed?: FirstLists['snapshots'] | undefined,
): Promise<readonly StoredSnapshot[]> {
  const { snapshots } = await listSnapshots(repository, false, listed);
  const selection = selectSnapshots(snapshots, names, filter);
  const [problem] = selection.problems;
  if (problem) throw problem;
  return selection.snapshots;
}

/** The same for a list to look at: snapshots that cannot be read are told beside those that can. */
export async function loadReadableSnapshots(
  repository: Repository,
  names: readonly string[],
  filter?: SnapshotFilter,
  listed?: FirstLists['snapshots'] | undefined,
): Promise<{ readonly snapshots: readonly StoredSnapshot[]; readonly broken: readonly LifeboatError[] }> {
  const { snapshots, broken } = await listSnapshots(repository, true, listed);
  const selection = selectSnapshots(snapshots, names, filter);
  const [problem] = selection.problems;
  if (problem) throw problem;
  return { snapshots: selection.snapshots, broken: [...broken.values()] };
}

/** @throws LifeboatError `repository-damaged` for a snapshot without a tree. */
export function treeOfSnapshot(snapshot: Snapshot & { readonly id: Id }): Id {
  if (snapshot.tree === undefined)
    throw new LifeboatError('repository-damaged', `snapshot ${snapshot.id} has no tree`);
  return snapshot.tree;
}

/** The tree of a snapshot, or of the folder named with it. @throws LifeboatError also `path-missing`. */
export function selectedTree(source: TreeSource, selected: SelectedSnapshot): Promise<Id> {
  return findSubtree(source, treeOfSnapshot(selected.snapshot), bytesOfText(selected.subfolder));
}
