import { hasCode, LifeboatError } from '../../core/errors.ts';
import { isHeartbeatKey, pieceKey } from '../../journal/layout.ts';
import { configKey } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { planJournalExpiry } from '../journal/expire-journal.ts';
import { hasJournals } from '../journal/has-journals.ts';
import { journalPlaces } from '../journal/journal-places.ts';
import {
  type CandidateObject,
  type DueObject,
  type ExtensionPlan,
  isExtensionDue,
  isYoung,
  planExtension,
  samplesOf,
  wasStoredUnder,
} from './extension.ts';
import { findNeeded, type NeededOptions } from './needed.ts';
import { contentVersions, forEachOf, lookAtProtection, policyOf, vaultOf } from './vault.ts';

/** Whether it is time to extend: one question about the config. False for storages without a policy. */
export async function isRetentionDue({ storage }: Repository): Promise<boolean> {
  const { vault } = storage;
  if (!vault?.policy) return false;
  const { retention } = await vault.protection(configKey);
  return isExtensionDue(retention, vault.policy, Date.now());
}

export interface ExtensionOptions extends NeededOptions {
  /**
   * Ask what protects each object, also those that were stored so recently that it can be told from samples. Finds
   * single objects that restic or a job without the policy has stored. Default: true.
   */
  readonly askAll?: boolean;
}

/**
 * Plans which objects are to be kept for longer: what snapshots need, and the log of databases from the oldest backup
 * on. Versions are listed (one request for a thousand), and each object that is not young is asked about (one request
 * for each). Changes nothing.
 * @throws LifeboatError `storage-object-lock-missing`, `usage` without a policy, `repository-damaged`.
 */
export async function prepareExtension(
  repository: Repository,
  { askAll = true, ...options }: ExtensionOptions = {},
): Promise<ExtensionPlan> {
  const { storage } = repository;
  const policy = policyOf(storage);
  const { packs, index, snapshots, access } = await findNeeded(repository, null, options);
  const journal = await neededLog(repository);
  const keys = [...packs, ...index, ...snapshots, ...journal, ...access];
  // Also what was hidden or replaced: nobody knows yet which of the versions is the right one.
  const candidates: CandidateObject[] = await contentVersions(storage, keys);
  const nowMs = Date.now();
  const young = askAll ? [] : candidates.filter((candidate) => isYoung(candidate, policy, nowMs));
  const samples = await lookAtProtection(storage, samplesOf(young), options.signal);
  const isTold = [...samples].every(([sample, found]) => wasStoredUnder(policy, sample, found));
  const told = new Set(isTold ? young : []);
  const asked = candidates.filter((candidate) => !told.has(candidate));
  const protections = await lookAtProtection(storage, asked, options.signal);
  return planExtension(candidates, protections, policy, nowMs);
}

/** Keys of journals, but for what `prune` would remove and what is replaced anyway. */
async function neededLog(repository: Repository): Promise<string[]> {
  if (!(await hasJournals(repository))) return [];
  const listed = await repository.storage.list('lifeboat/journal/');
  const { places, close } = journalPlaces([{ name: repository.storage.location, repository }]);
  try {
    const [place] = places;
    const { snapshots } = await listSnapshots(repository);
    const { streams } = await planJournalExpiry(place!, snapshots);
    const expiring = new Set(
      streams.flatMap(({ stream, plan }) => plan.remove.map(({ piece }) => pieceKey(stream, piece))),
    );
    return listed.flatMap(({ key }) => (expiring.has(key) || isHeartbeatKey(key) ? [] : [key]));
  } finally {
    await close();
  }
}

export interface ExtensionReport {
  readonly extended: number;
  /** Gone since the plan was made. */
  readonly gone: number;
}

/**
 * Extends what the plan says; the config only when everything else is, so that what was interrupted is due again.
 * @throws LifeboatError `retention-not-extended` where some objects could not be.
 */
export async function executeExtension(
  repository: Repository,
  plan: ExtensionPlan,
  options: { readonly signal?: AbortSignal; readonly onDone?: () => void } = {},
): Promise<ExtensionReport> {
  const { storage } = repository;
  const vault = vaultOf(storage);
  const failures: unknown[] = [];
  let extended = 0;
  let gone = 0;
  async function extend({ key, versionId, mode, before }: DueObject): Promise<void> {
    const untilMs = Math.max(Date.now() + plan.forMs, before ?? 0);
    try {
      await vault.extend(key, { mode, untilMs }, { versionId });
      extended++;
    } catch (error) {
      if (hasCode(error, 'storage-missing-file')) gone++;
      else if (hasCode(error, 'storage-denied')) failures.push(error);
      else throw error;
    }
    options.onDone?.();
  }
  const isConfig = ({ key }: DueObject): boolean => key === configKey;
  await forEachOf(
    storage,
    plan.extend.filter((due) => !isConfig(due)),
    extend,
    options.signal,
  );
  if (failures.length === 0) await forEachOf(storage, plan.extend.filter(isConfig), extend, options.signal);
  if (failures.length > 0)
    throw new LifeboatError(
      'retention-not-extended',
      `the retention of ${failures.length} objects at ${storage.location} could not be extended`,
      { cause: failures[0] },
    );
  return { extended, gone };
}
