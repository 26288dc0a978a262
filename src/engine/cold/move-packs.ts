import { hasCode, LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Tier } from '../../model/configuration.ts';
import type { Id } from '../../model/id.ts';
import type { Instant } from '../../model/time.ts';
import { placeInTiers, type TierDecision } from '../../policy/tiers.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { idOfKey, keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { tierTag } from './lifecycle-rules.ts';
import { type MovePlan, markChanges, type PackFacts, planMoves } from './move-plan.ts';
import { findNeeds } from './pack-needs.ts';

const dayMs = 86_400_000;

export type Archive = NonNullable<Repository['storage']['archive']>;

/** @throws LifeboatError `bucket-feature-missing` where the storage has no classes. */
export function archiveOf({ archive, location }: Repository['storage']): Archive {
  if (archive) return archive;
  throw new LifeboatError('bucket-feature-missing', `${location} has no storage classes`);
}

export interface PreparedMoves {
  readonly decisions: readonly TierDecision[];
  readonly plan: MovePlan;
}

export interface MoveEvents {
  readonly signal?: AbortSignal;
  readonly onTrees?: (number: number) => void;
  /** Packs whose tags have to be looked at, and one that has been. */
  readonly onMarks?: (total: number) => void;
  readonly onMark?: () => void;
}

/** Reads snapshots, trees, classes and tags, and plans. Changes nothing; needs a shared lock. */
export async function prepareMoves(
  repository: Repository,
  tiers: readonly Tier[],
  now: Instant,
  events: MoveEvents = {},
): Promise<PreparedMoves> {
  const archive = archiveOf(repository.storage);
  const { snapshots } = await listSnapshots(repository);
  const decisions = placeInTiers(snapshots, tiers, now);
  const index = await loadIndex(repository);
  const needs = await findNeeds(repository, index, decisions, events);
  const trees = packsWithTrees(index);
  const packs: PackFacts[] = [];
  const nowMs = now.seconds * 1000;
  for (const { key, size, storageClass, modifiedMs } of await archive.list('data/')) {
    const id = idOfKey(key);
    if (id === null) continue;
    const number = index.knownPackNumber(id);
    packs.push({
      id,
      bytes: size,
      storageClass,
      ageDays: Math.max(0, (nowMs - modifiedMs) / dayMs),
      mark: null,
      holdsTrees: number !== null && trees[number] === 1,
      need: number === null ? null : needs[number]!,
    });
  }
  const marked = await readMarks(repository, archive, packs, tiers, events);
  return { decisions, plan: planMoves(marked, tiers) };
}

function packsWithTrees({ table, packCount }: BlobIndex): Uint8Array {
  const trees = new Uint8Array(packCount());
  const total = table.count();
  for (let entry = 0; entry < total; entry++) {
    const pack = table.packOf(entry);
    if (pack < trees.length && table.typeOf(entry) === 'tree') trees[pack] = 1;
  }
  return trees;
}

/** Packs in the coldest class can go no further, so their tags do not matter. */
async function readMarks(
  { storage }: Repository,
  archive: Archive,
  packs: readonly PackFacts[],
  tiers: readonly Tier[],
  { signal, onMarks, onMark }: MoveEvents,
): Promise<PackFacts[]> {
  const coldest = tiers.at(-1)?.class;
  const asked = packs.filter(({ storageClass }) => storageClass !== coldest);
  onMarks?.(asked.length);
  const marks = new Map<Id, string | null>();
  let next = 0;
  const readOne = async ({ id }: PackFacts): Promise<void> => {
    marks.set(id, await archive.mark(keyOf('data', id), tierTag));
    onMark?.();
  };
  await runBounded(storage.connections, () => (next < asked.length ? readOne(asked[next++]!) : null), signal);
  return packs.map((pack) => ({ ...pack, mark: marks.get(pack.id) ?? null }));
}

export interface MoveReport {
  readonly marked: number;
  readonly retracted: number;
  readonly failed: readonly { readonly id: Id; readonly error: unknown }[];
}

/**
 * Sets the tags of a plan. One that cannot be set does not keep the others; it is in the report.
 * @throws LifeboatError `storage-denied`, `storage-append-only`: none of the others could be set either.
 */
export async function executeMoves(
  repository: Repository,
  plan: MovePlan,
  { signal, onDone }: { readonly signal?: AbortSignal; readonly onDone?: () => void } = {},
): Promise<MoveReport> {
  const archive = archiveOf(repository.storage);
  const changes = markChanges(plan);
  const failed: { id: Id; error: unknown }[] = [];
  let marked = 0;
  let retracted = 0;
  let next = 0;
  const changeOne = async (id: Id, mark: string | null): Promise<void> => {
    try {
      await archive.setMark(keyOf('data', id), tierTag, mark);
      if (mark === null) retracted++;
      else marked++;
    } catch (error) {
      if (hasCode(error, 'storage-denied', 'storage-append-only')) throw error;
      failed.push({ id, error });
    }
    onDone?.();
  };
  await runBounded(
    repository.storage.connections,
    () => {
      const change = changes[next++];
      return change ? changeOne(change.id, change.mark) : null;
    },
    signal,
  );
  return { marked, retracted, failed };
}
