import type { Id } from '../../model/id.ts';
import { isLocked, type ObjectProtection } from '../../model/retention.ts';
import { keyOf } from '../../repository/layout.ts';
import { lookAtProtection, type Storage } from '../immutability/vault.ts';

/** What Object Lock says of packs that are to go. */
export interface PackLocks {
  /** Asks about those that were not asked about before. @returns whether anything new is known. */
  look(packs: readonly Id[], signal?: AbortSignal): Promise<boolean>;
  /** Cannot be removed now. */
  isLocked(pack: Id): boolean;
  /** Locked until it is released, whatever the time. */
  isHeld(pack: Id): boolean;
  /** Until when a locked pack stays, milliseconds since 1970; null for one that is held or not locked. */
  untilMs(pack: Id): number | null;
  /**
   * Removes a pack. One that was protected once is removed for good: on a bucket that keeps versions, deleting it the
   * ordinary way would only hide it. Others are left to the bucket's own rules.
   */
  remove(pack: Id): Promise<void>;
}

export function packLocks(storage: Storage): PackLocks {
  const known = new Map<Id, ObjectProtection>();
  const asked = new Set<Id>();
  const protects = (pack: Id): ObjectProtection | undefined => known.get(pack);
  const locked = (pack: Id): boolean => {
    const protection = protects(pack);
    return protection !== undefined && isLocked(protection, Date.now());
  };
  return {
    async look(packs, signal) {
      const places = packs.filter((id) => !asked.has(id)).map((id) => ({ id, key: keyOf('data', id) }));
      const found = await lookAtProtection(storage, places, signal);
      for (const { id } of places) asked.add(id);
      for (const [{ id }, protection] of found) known.set(id, protection);
      return places.some(({ id }) => locked(id));
    },
    isLocked: locked,
    isHeld: (pack) => protects(pack)?.legalHold ?? false,
    untilMs(pack) {
      const protection = protects(pack);
      return locked(pack) && !protection!.legalHold ? protection!.retention!.untilMs : null;
    },
    async remove(pack) {
      const protection = protects(pack);
      const key = keyOf('data', pack);
      if (storage.vault && protection?.versionId && protection.retention)
        await storage.vault.removeVersion(key, protection.versionId);
      else await storage.remove(key);
    },
  };
}

/** Packs that nothing needs and that stay for now, for messages. */
export interface LockedPacks {
  readonly packs: number;
  readonly bytes: number;
  /** Of these: until a legal hold is released. */
  readonly held: number;
  /** When the first and the last of the others can be removed, milliseconds since 1970; null: there are no others. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
}

export const noLockedPacks: LockedPacks = { packs: 0, bytes: 0, held: 0, firstMs: null, lastMs: null };

/** @param packs that are locked, with their sizes. */
export function summedUpLocks(
  packs: readonly { readonly id: Id; readonly size: number }[],
  locks: Pick<PackLocks, 'untilMs' | 'isHeld'>,
): LockedPacks {
  const times = packs.flatMap(({ id }) => locks.untilMs(id) ?? []);
  const [least, most] = times.reduce(
    ([min, max], time) => [Math.min(min, time), Math.max(max, time)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return {
    packs: packs.length,
    bytes: packs.reduce((sum, { size }) => sum + size, 0),
    held: packs.filter(({ id }) => locks.isHeld(id)).length,
    firstMs: times.length > 0 ? least! : null,
    lastMs: times.length > 0 ? most! : null,
  };
}
