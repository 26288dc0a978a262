import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import type { Id } from '../../model/id.ts';
import type { ThawSpeed } from '../../model/storage-class.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { type Archive, archiveOf } from './move-packs.ts';
import {
  type ArchivedPack,
  hasArchivedPacks,
  listArchivedPacks,
  packsOfContent,
  type ReadingOf,
  withTrees,
} from './needed-packs.ts';
import { type ClassAmount, estimateThaw, type ThawEstimate } from './prices.ts';

/**
 * Bringing archived packs back. All state is in the bucket: an object says whether it was asked for and whether its
 * copy is there. So a run that was interrupted is resumed by running again, and nothing is asked for twice.
 */

export interface ThawPack {
  readonly id: Id;
  readonly bytes: number;
  readonly storageClass: string;
  readonly state: 'none' | 'ongoing' | 'restored';
  /** When the copy goes, milliseconds since 1970. */
  readonly untilMs: number | null;
}

export interface ThawPlan {
  /** Trees say which content is needed, so where they are archived they come first. */
  readonly stage: 'trees' | 'content';
  /** Packs that the reading needs, archived or not; of trees only the archived ones are counted. */
  readonly needed: number;
  /** Those of them that are archived. */
  readonly packs: readonly ThawPack[];
}

/** A copy that goes sooner than this is asked for anew, so that it outlasts the reading. */
const lastingMs = 12 * 3_600_000;

/** Copies that can be read now. */
export function isReady({ state }: ThawPack): boolean {
  return state === 'restored';
}

/** What has to be asked for: what nobody has asked for, and copies that are about to go. */
export function packsToRequest({ packs }: ThawPlan, nowMs: number): ThawPack[] {
  return packs.filter(
    ({ state, untilMs }) =>
      state === 'none' || (state === 'restored' && untilMs !== null && untilMs < nowMs + lastingMs),
  );
}

/** By class, for estimates. */
export function amountsOf(packs: readonly ThawPack[]): ClassAmount[] {
  const sums = new Map<string, { objects: number; bytes: number }>();
  for (const { storageClass, bytes } of packs) {
    const sum = sums.get(storageClass) ?? { objects: 0, bytes: 0 };
    sum.objects++;
    sum.bytes += bytes;
    sums.set(storageClass, sum);
  }
  return [...sums].map(([storageClass, sum]) => ({ storageClass, ...sum }));
}

/** What each speed takes and costs, for what is still to be asked for; speeds that a class does not know are left out. */
export function estimatesFor(
  packs: readonly ThawPack[],
  speeds: readonly ThawSpeed[],
  days: number,
): ThawEstimate[] {
  return speeds.flatMap((speed) => estimateThaw(amountsOf(packs), speed, days) ?? []);
}

/** Looks at what a reading needs. Changes nothing. @throws LifeboatError `bucket-feature-missing`. */
export async function prepareThaw(
  repository: Repository,
  index: BlobIndex,
  reading: ReadingOf,
): Promise<ThawPlan> {
  const archive = archiveOf(repository.storage);
  const archived = await listArchivedPacks(archive);
  const trees = await statesOf(repository, archive, withTrees(index, archived), reading.signal);
  if (!trees.every(isReady)) return { stage: 'trees', needed: trees.length, packs: trees };
  if (archived.size === 0) return { stage: 'content', needed: 0, packs: [] };
  const content = await packsOfContent(repository, index, reading);
  const cold = [...content].flatMap((id) => archived.get(id) ?? []);
  const packs = await statesOf(repository, archive, cold, reading.signal);
  return { stage: 'content', needed: content.size, packs };
}

/** Packs that cannot be read before they are brought back. Costs one request where nothing is archived. */
export async function unreadablePacks(repository: Repository, signal: AbortSignal): Promise<Set<Id>> {
  const { archive } = repository.storage;
  if (!archive || !(await hasArchivedPacks(repository))) return new Set();
  const packs = await statesOf(repository, archive, [...(await listArchivedPacks(archive)).values()], signal);
  return new Set(packs.filter((pack) => !isReady(pack)).map(({ id }) => id));
}

async function statesOf(
  { storage }: Repository,
  archive: Archive,
  packs: readonly ArchivedPack[],
  signal: AbortSignal,
): Promise<ThawPack[]> {
  const states: ThawPack[] = [];
  let next = 0;
  const lookAt = async ({ id, object }: ArchivedPack): Promise<void> => {
    const { state, untilMs, storageClass } = await archive.state(keyOf('data', id));
    // It was moved back since it was listed.
    if (state !== 'readable') states.push({ id, bytes: object.size, storageClass, state, untilMs });
  };
  await runBounded(storage.connections, () => (next < packs.length ? lookAt(packs[next++]!) : null), signal);
  return states.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export interface ThawRequest extends ReadingOf {
  readonly speed: ThawSpeed;
  /** How long the copies stay. */
  readonly days: number;
  /** Between two looks at what has come; without it as the speed suggests. */
  readonly pollMs?: number | undefined;
  /** Ask, and do not wait. */
  readonly noWait?: boolean;
  readonly events: {
    /** Before anything is asked for; rejects where the user does not want it. */
    plan(plan: ThawPlan, toRequest: readonly ThawPack[]): Promise<void>;
    requested?(number: number): void;
    /** How many of the plan's packs can be read. */
    ready?(packs: number, total: number): void;
  };
}

export interface ThawReport {
  readonly requested: number;
  /** Packs that came back, or were back already. */
  readonly ready: number;
  /** Not waited for. */
  readonly ongoing: number;
}

const pollDefaultsMs: Readonly<Record<ThawSpeed, number>> = {
  expedited: 30_000,
  standard: 5 * 60_000,
  bulk: 15 * 60_000,
};

/**
 * Asks for what a reading needs and waits until it can be read.
 * @throws LifeboatError `cancelled` with how to go on, `usage` where a class knows no such speed, `thaw-incomplete`.
 */
export async function thaw(
  repository: Repository,
  index: BlobIndex,
  request: ThawRequest,
): Promise<ThawReport> {
  let requested = 0;
  let ready = 0;
  try {
    for (;;) {
      const plan = await prepareThaw(repository, index, request);
      const toRequest = packsToRequest(plan, Date.now());
      refuseSpeed(toRequest, request.speed);
      await request.events.plan(plan, toRequest);
      await requestAll(repository, toRequest, request);
      requested += toRequest.length;
      const waiting = plan.packs.filter((pack) => !isReady(pack));
      ready += plan.packs.length - waiting.length;
      if (request.noWait && waiting.length > 0) return { requested, ready, ongoing: waiting.length };
      await waitFor(repository, waiting, plan.packs.length, request);
      ready += waiting.length;
      if (plan.stage === 'content') return { requested, ready, ongoing: 0 };
    }
  } catch (error) {
    if (!request.signal.aborted || request.signal.reason instanceof LifeboatError) throw error;
    throw new LifeboatError('cancelled', 'the waiting for archived packs was interrupted', {
      cause: error,
      hint: 'run the same command again: the storage goes on meanwhile, and nothing is asked for twice',
    });
  }
}

function refuseSpeed(packs: readonly ThawPack[], speed: ThawSpeed): void {
  if (packs.length === 0 || estimateThaw(amountsOf(packs), speed, 1) !== null) return;
  throw new LifeboatError('usage', `objects in DEEP_ARCHIVE cannot be brought back at the speed ${speed}`, {
    hint: 'choose standard (up to 12 hours) or bulk (up to 48 hours)',
  });
}

async function requestAll(
  { storage }: Repository,
  packs: readonly ThawPack[],
  { days, speed, signal, events }: ThawRequest,
): Promise<void> {
  const archive = archiveOf(storage);
  let next = 0;
  const ask = async (id: Id): Promise<void> => {
    await archive.request(keyOf('data', id), { days, speed });
    events.requested?.(1);
  };
  await runBounded(storage.connections, () => (next < packs.length ? ask(packs[next++]!.id) : null), signal);
}

/** After so many that are not there yet, the rest is not looked at in this round: they come in about this order. */
const notReadyMax = 50;

async function waitFor(
  { storage }: Repository,
  packs: readonly ThawPack[],
  total: number,
  { speed, pollMs = pollDefaultsMs[speed], signal, events }: ThawRequest,
): Promise<void> {
  const archive = archiveOf(storage);
  let waiting = [...packs];
  while (waiting.length > 0) {
    const still: ThawPack[] = [];
    let next = 0;
    const lookAt = async (pack: ThawPack): Promise<void> => {
      const { state } = await archive.state(keyOf('data', pack.id));
      if (state === 'none') {
        throw new LifeboatError(
          'thaw-incomplete',
          `the storage has dropped the request for the pack ${pack.id}`,
        );
      }
      if (state === 'ongoing') still.push(pack);
    };
    await runBounded(
      storage.connections,
      () => (next < waiting.length && still.length < notReadyMax ? lookAt(waiting[next++]!) : null),
      signal,
    );
    waiting = [...still, ...waiting.slice(next)];
    events.ready?.(total - waiting.length, total);
    if (waiting.length > 0) await sleep(pollMs, undefined, { signal });
  }
}
