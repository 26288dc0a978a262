import { createHash } from 'node:crypto';
import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import { isHeartbeatKey } from '../../journal/layout.ts';
import type { ObjectVersion } from '../../model/retention.ts';
import { configKey, idOfKey } from '../../repository/layout.ts';
import { forEachOf, repositoryVersions, type Storage, vaultOf } from './vault.ts';

/**
 * Bringing back what somebody hid: on a bucket that keeps versions, deleting only puts a marker above an object, and
 * overwriting only a version. Needs no password: at first not even the keys may be there.
 */

/** A key whose content is hidden, or may have been replaced. */
export interface HiddenObject {
  readonly key: string;
  /** Delete markers to remove. */
  readonly markers: readonly ObjectVersion[];
  /** Newest first. */
  readonly versions: readonly ObjectVersion[];
  readonly hiddenMs: number | null;
}

export interface UndeletePlan {
  /** Keys under delete markers that are younger than was asked. */
  readonly hidden: readonly HiddenObject[];
  /** Visible keys that were overwritten since: which of their versions is right is seen when they are read. */
  readonly overwritten: readonly HiddenObject[];
  readonly bytes: number;
  readonly earliestMs: number | null;
  readonly latestMs: number | null;
}

const comesAndGoes = (key: string): boolean =>
  key.startsWith('locks/') || key.startsWith('lifeboat/canary/') || isHeartbeatKey(key);

/** Decides what comes back. @param versions all, of each key newest first. */
export function planUndelete(versions: readonly ObjectVersion[], sinceMs: number): UndeletePlan {
  const hidden: HiddenObject[] = [];
  const overwritten: HiddenObject[] = [];
  for (const [key, all] of Map.groupBy(versions, (version) => version.key)) {
    if (comesAndGoes(key)) continue;
    const contents = all.filter(({ isDeleteMarker }) => !isDeleteMarker);
    const markers = all.filter(({ isDeleteMarker, modifiedMs }) => isDeleteMarker && modifiedMs >= sinceMs);
    const isHidden = all[0]?.isDeleteMarker === true && all[0].modifiedMs >= sinceMs;
    const hiddenMs = isHidden ? Math.min(...markers.map(({ modifiedMs }) => modifiedMs)) : null;
    const found = { key, markers, versions: contents, hiddenMs };
    // Without content there is nothing to bring back.
    if (isHidden && contents.length > 0) hidden.push(found);
    else if (!all[0]?.isDeleteMarker && contents.length > 1 && contents[0]!.modifiedMs >= sinceMs)
      overwritten.push(found);
  }
  const rank = ({ key }: HiddenObject): number => (key.startsWith('snapshots/') ? 1 : 0);
  // Snapshots last: a repository in which one can be seen has all that it needs.
  hidden.sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
  const times = hidden.flatMap(({ hiddenMs }) => hiddenMs ?? []);
  return {
    hidden,
    overwritten,
    bytes: hidden.reduce((sum, object) => sum + (object.versions[0]?.size ?? 0), 0),
    earliestMs: times.length > 0 ? times.reduce((a, b) => Math.min(a, b)) : null,
    latestMs: times.length > 0 ? times.reduce((a, b) => Math.max(a, b)) : null,
  };
}

export async function prepareUndelete(storage: Storage, sinceMs: number): Promise<UndeletePlan> {
  const vault = vaultOf(storage);
  const { keepsVersions } = await vault.facts();
  if (keepsVersions === false)
    throw new LifeboatError(
      'storage-object-lock-missing',
      `the bucket of ${storage.location} keeps no versions, so what was deleted is gone`,
      { hint: 'restore from another copy; a bucket with Object Lock keeps versions' },
    );
  return planUndelete(await repositoryVersions(storage), sinceMs);
}

export interface UndeleteReport {
  /** Keys that can be read again. */
  readonly restored: number;
  /** Keys whose right content lay below a wrong one and is on top again. */
  readonly replaced: number;
  /** Keys of which no version is the right one, or that could not be brought back. */
  readonly failed: readonly { readonly key: string; readonly message: string }[];
}

/** Whether content is what its name says: SHA-256, or its first digits; null where the name says nothing. */
function isRight(key: string, content: Uint8Array): boolean | null {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const named = idOfKey(key) ?? /\.([0-9a-f]{32})$/.exec(name)?.[1];
  return named ? createHash('sha256').update(content).digest('hex').startsWith(named) : null;
}

/**
 * Brings objects back. Of several versions the newest whose SHA-256 is in the name is the right one; of the config, which
 * is written once, the oldest; of anything else the newest. A right one below a wrong one is stored again on top.
 */
export async function executeUndelete(
  storage: Storage,
  { hidden, overwritten }: UndeletePlan,
  options: { readonly signal?: AbortSignal; readonly onDone?: () => void } = {},
): Promise<UndeleteReport> {
  const vault = vaultOf(storage);
  const failed: { key: string; message: string }[] = [];
  let restored = 0;
  let replaced = 0;

  async function rightVersion({
    key,
    versions,
  }: HiddenObject): Promise<{ version: ObjectVersion; content: Buffer | null }> {
    const [newest] = versions;
    if (versions.length === 1) return { version: newest!, content: null };
    if (key === configKey) {
      const [latest, first] = [newest!, versions.at(-1)!];
      const content = await vault.loadVersion(key, first.versionId);
      const same = content.equals(await vault.loadVersion(key, latest.versionId));
      return { version: same ? latest : first, content };
    }
    for (const version of versions) {
      const content = await vault.loadVersion(key, version.versionId);
      const right = isRight(key, content);
      if (right !== false) return { version, content };
    }
    throw new LifeboatError('repository-damaged', `no version of ${key} is what its name says`);
  }

  async function bringBack(object: HiddenObject): Promise<void> {
    const { key, markers, versions } = object;
    try {
      const { version, content } = await rightVersion(object);
      if (version === versions[0]) {
        if (markers.length === 0 || object.hiddenMs === null) return;
        if (await removeAll(markers)) {
          restored++;
          return;
        }
      } else replaced++;
      // Storing it again needs no right but to write.
      await storage.save(key, [content ?? (await vault.loadVersion(key, version.versionId))]);
      if (object.hiddenMs !== null) restored++;
    } catch (error) {
      if (!hasCode(error, 'storage-denied', 'storage-missing-file', 'repository-damaged')) throw error;
      failed.push({ key, message: messageOf(error) });
    } finally {
      options.onDone?.();
    }
  }

  /** False where markers may not be removed. */
  async function removeAll(markers: readonly ObjectVersion[]): Promise<boolean> {
    try {
      for (const { key, versionId } of markers) await vault.removeVersion(key, versionId);
      return true;
    } catch (error) {
      if (!hasCode(error, 'storage-denied')) throw error;
      return false;
    }
  }

  const isSnapshot = ({ key }: HiddenObject): boolean => key.startsWith('snapshots/');
  const { signal } = options;
  await forEachOf(storage, overwritten, bringBack, signal);
  await forEachOf(
    storage,
    hidden.filter((object) => !isSnapshot(object)),
    bringBack,
    signal,
  );
  await forEachOf(storage, hidden.filter(isSnapshot), bringBack, signal);
  return { restored, replaced, failed };
}
