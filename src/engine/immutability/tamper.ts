import { randomBytes } from 'node:crypto';
import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import type { ObjectProtection, RetentionMode } from '../../model/retention.ts';
import type { Storage } from './vault.ts';

/**
 * Tries to do to a canary what somebody would do to the repository who has taken over the machine of the backup job.
 */

export type TamperAttempt =
  | 'delete'
  | 'overwrite'
  | 'delete-version'
  | 'shorten-retention'
  | 'delete-version-bypassing-governance'
  | 'shorten-retention-bypassing-governance';

/**
 * `refused`: the far side did not do it. `recoverable`: it was done, and what was there before is still there below it.
 * `destroyed`: what was there is gone. `weakened`: it is still there and no longer protected. `unknown`: it was done,
 * and these credentials cannot find out whether that can be undone.
 */
export type TamperOutcome = 'refused' | 'recoverable' | 'weakened' | 'destroyed' | 'unknown';

export interface TamperResult {
  readonly attempt: TamperAttempt;
  readonly outcome: TamperOutcome;
  /** What the far side said, or what was found. */
  readonly detail: string;
}

export interface TamperReport {
  readonly location: string;
  readonly canary: string;
  /** `object-lock`: the canary had a retention, like what the job stores. */
  readonly protection: 'object-lock' | 'versions' | 'none';
  readonly mode: RetentionMode | null;
  readonly results: readonly TamperResult[];
  /** Whether these credentials may list versions, which shows an attacker what to delete; null: there are none. */
  readonly mayListVersions: boolean | null;
  /** Whether everything was refused or can be undone. */
  readonly protects: boolean;
  /** Why the canary will stay for a while, or null. */
  readonly leftUntilMs: number | null;
}

export interface TamperOptions {
  /** How long the canary is locked: long enough for the attempts, short enough not to litter. */
  readonly lockMs?: number;
}

const lockDefaultMs = 60_000;
const prefix = 'lifeboat/canary/';
const refusals = ['storage-denied', 'storage-append-only'] as const;

const isBad = ({ outcome }: TamperResult): boolean =>
  outcome === 'destroyed' || outcome === 'weakened' || outcome === 'unknown';

/**
 * Writes a canary under a key of its own, with a retention where the storage has Object Lock, and attacks it.
 * @param storage without any layer that refuses by itself: what the far side does is what counts.
 * @throws LifeboatError where not even the canary can be written.
 */
export async function testTampering(storage: Storage, options: TamperOptions = {}): Promise<TamperReport> {
  const { key, content } = await chooseCanary(storage);
  const untilMs = Math.ceil((Date.now() + (options.lockMs ?? lockDefaultMs)) / 1000) * 1000;
  const lockedAs = await saveCanary(storage, key, content, untilMs);
  const before = await lookAt(storage, key);
  const version = before?.versionId ?? null;
  const results: TamperResult[] = [];
  const attempt = async (
    name: TamperAttempt,
    work: () => Promise<void>,
    find: () => Promise<Omit<TamperResult, 'attempt'>>,
  ): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!hasCode(error, ...refusals)) throw error;
      results.push({ attempt: name, outcome: 'refused', detail: messageOf(error) });
      return;
    }
    results.push({ attempt: name, ...(await find()) });
  };
  const afterwards = (): Promise<Omit<TamperResult, 'attempt'>> => findCanary(storage, key, version, content);

  const same = lockedAs === null ? {} : { retention: { mode: lockedAs, untilMs } };
  await attempt('overwrite', () => storage.save(key, [Buffer.from('overwritten\n')], same), afterwards);
  await attempt('delete', () => storage.remove(key), afterwards);
  const { vault } = storage;
  const destroyed = (): boolean => results.some(({ outcome }) => outcome === 'destroyed');
  if (vault && version !== null && !destroyed()) {
    const mode = before?.retention?.mode ?? null;
    const sooner = { mode: mode ?? 'governance', untilMs: Date.now() + 2_000 } as const;
    const shorten = (bypassGovernance: boolean) => () =>
      vault.tryToShorten(key, sooner, { versionId: version, bypassGovernance });
    const isWeaker = (): Promise<Omit<TamperResult, 'attempt'>> => compare(storage, key, version, before);
    const removal = (bypassGovernance: boolean) => () =>
      vault.removeVersion(key, version, bypassGovernance ? { bypassGovernance } : {});
    if (mode !== null) await attempt('shorten-retention', shorten(false), isWeaker);
    await attempt('delete-version', removal(false), afterwards);
    if (mode === 'governance' && !destroyed()) {
      await attempt('shorten-retention-bypassing-governance', shorten(true), isWeaker);
      await attempt('delete-version-bypassing-governance', removal(true), afterwards);
    }
  }
  const mayListVersions = await cleanUp(storage);
  const protection = before?.retention ? 'object-lock' : version !== null ? 'versions' : 'none';
  return {
    location: storage.location,
    canary: key,
    protection,
    mode: lockedAs,
    results,
    mayListVersions: version === null ? null : mayListVersions,
    protects: !results.some(isBad),
    leftUntilMs: before?.retention && !destroyed() ? before.retention.untilMs : null,
  };
}

/**
 * A new key, or a canary that could not be removed: servers that refuse to delete keep what is written there. On a storage
 * with versions, those of before are locked for a minute, and go.
 */
async function chooseCanary(storage: Storage): Promise<{ key: string; content: Buffer }> {
  const [old] = storage.vault ? [] : await storage.list(prefix);
  if (old) return { key: old.key, content: await storage.load(old.key) };
  const key = `${prefix}${randomBytes(16).toString('hex')}`;
  return { key, content: Buffer.from(`canary of ${new Date().toISOString()} ${key}\n`) };
}

/** @returns how the canary is locked, or null. */
async function saveCanary(
  storage: Storage,
  key: string,
  content: Buffer,
  untilMs: number,
): Promise<RetentionMode | null> {
  const { vault } = storage;
  const facts = vault && (await vault.facts());
  const mode = vault?.policy?.mode ?? facts?.defaultMode ?? 'governance';
  // Where nobody may ask whether there is Object Lock, it is tried.
  if (vault && facts?.locksObjects !== false) {
    try {
      await storage.save(key, [content], { retention: { mode, untilMs } });
      return mode;
    } catch (error) {
      if (!hasCode(error, 'storage-object-lock-missing', 'storage-denied')) throw error;
    }
  }
  try {
    await storage.save(key, [content]);
  } catch (error) {
    if (!hasCode(error, 'storage-journal-refused')) throw error;
    throw new LifeboatError(
      error.code,
      `cannot write a canary: ${storage.location} takes only what restic stores`,
      {
        cause: error,
        hint: 'serve the repository with `lifeboat serve --rest --append-only`, which can be tested',
      },
    );
  }
  return null;
}

async function lookAt(storage: Storage, key: string): Promise<ObjectProtection | null> {
  try {
    return (await storage.vault?.protection(key)) ?? null;
  } catch (error) {
    if (hasCode(error, 'storage-denied')) return null;
    throw error;
  }
}

/** What is left of the canary after something was done to it. */
async function findCanary(
  storage: Storage,
  key: string,
  version: string | null,
  content: Buffer,
): Promise<Omit<TamperResult, 'attempt'>> {
  try {
    if (storage.vault && version !== null) {
      const found = await storage.vault.loadVersion(key, version);
      return found.equals(content)
        ? { outcome: 'recoverable', detail: 'the version that was stored before is still there' }
        : { outcome: 'destroyed', detail: 'its content is another now' };
    }
    const found = await storage.load(key);
    return found.equals(content)
      ? { outcome: 'refused', detail: 'it is still there, though nothing was said' }
      : { outcome: 'destroyed', detail: 'its content is another now' };
  } catch (error) {
    if (hasCode(error, 'storage-missing-file')) return { outcome: 'destroyed', detail: 'it is gone' };
    if (hasCode(error, 'storage-denied')) return { outcome: 'unknown', detail: messageOf(error) };
    throw error;
  }
}

async function compare(
  { vault }: Storage,
  key: string,
  versionId: string,
  before: ObjectProtection | null,
): Promise<Omit<TamperResult, 'attempt'>> {
  const { retention } = await vault!.protection(key, { versionId });
  const earlier = retention === null || retention.untilMs < (before?.retention?.untilMs ?? 0);
  return earlier
    ? { outcome: 'weakened', detail: 'its retention ends earlier now' }
    : { outcome: 'refused', detail: 'its retention is as before, though nothing was said' };
}

/** Removes what canaries of before left, as far as that is allowed. @returns whether versions can be listed. */
async function cleanUp(storage: Storage): Promise<boolean> {
  const { vault } = storage;
  if (!vault) return false;
  try {
    const versions = await vault.versions(prefix);
    // Content first: a marker above what is locked stays with it.
    for (const { key, versionId } of versions.toReversed())
      await vault.removeVersion(key, versionId).catch((error: unknown) => {
        // It is locked, or these credentials may not, which is what is hoped for.
        if (!hasCode(error, ...refusals)) throw error;
      });
    return true;
  } catch (error) {
    if (hasCode(error, ...refusals, 'storage-settings')) return false;
    throw error;
  }
}
