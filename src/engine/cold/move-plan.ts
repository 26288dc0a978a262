import type { Tier } from '../../model/configuration.ts';
import type { Id } from '../../model/id.ts';
import { isStorageClass, rankOf, type StorageClass, storageClasses } from '../../model/storage-class.ts';
import type { PackNeed } from './pack-needs.ts';
import { monthlyCost, movingCost } from './prices.ts';

/** Which packs may go to a colder class. Pure; `lifeboat tier plan` shows it, `apply` takes it. */

export interface PackFacts {
  readonly id: Id;
  readonly bytes: number;
  /** Where it is now. */
  readonly storageClass: string;
  readonly ageDays: number;
  /** The class that its tag names; null where it has none. */
  readonly mark: string | null;
  /** Trees are read by nearly every command, so their packs stay. */
  readonly holdsTrees: boolean;
  readonly need: PackNeed | null;
}

export interface PackMove {
  readonly id: Id;
  readonly bytes: number;
  readonly from: StorageClass;
  readonly to: StorageClass;
  /** Its tag says so already: the bucket has not moved it yet. */
  readonly marked: boolean;
  /** Where the class takes only what is old enough: so many days from now. */
  readonly waitsDays: number;
}

export interface MarkChange {
  readonly id: Id;
  /** null: the tag is taken away. */
  readonly mark: StorageClass | null;
}

export interface AmountInClass {
  readonly storageClass: string;
  readonly packs: number;
  readonly bytes: number;
  /** Dollars a month; null where the class has no price. */
  readonly monthly: number | null;
}

export interface MovePlan {
  readonly moves: readonly PackMove[];
  /** Tags that would move a pack further than its snapshots allow, and have not done so yet. */
  readonly retract: readonly MarkChange[];
  /** Packs that are colder already than a snapshot needs them: no rule brings them back. */
  readonly tooCold: readonly PackFacts[];
  /** Packs that stay, by the reason. */
  readonly stay: {
    readonly trees: number;
    readonly needed: number;
    readonly small: number;
    readonly unused: number;
    readonly unplaced: number;
    readonly unknownClass: number;
  };
  readonly before: readonly AmountInClass[];
  readonly after: readonly AmountInClass[];
  /** Dollars, once, for what is not marked yet. */
  readonly movingCost: number;
}

/** Where a pack may go: null where it stays. Never colder than its need. */
function destinationOf(pack: PackFacts): StorageClass | null {
  const { need, storageClass, holdsTrees, bytes } = pack;
  if (holdsTrees || need === null || need === 'unplaced' || !isStorageClass(storageClass)) return null;
  if (rankOf(need) <= rankOf(storageClass)) return null;
  return bytes < storageClasses[need].bytesMin ? null : need;
}

export function planMoves(packs: readonly PackFacts[], tiers: readonly Tier[]): MovePlan {
  const moves: PackMove[] = [];
  const retract: MarkChange[] = [];
  const tooCold: PackFacts[] = [];
  const stay = { trees: 0, needed: 0, small: 0, unused: 0, unplaced: 0, unknownClass: 0 };
  const classes = new Set(tiers.map((tier) => tier.class));
  const before = new Map<string, { packs: number; bytes: number }>();
  const after = new Map<string, { packs: number; bytes: number }>();
  let cost = 0;
  for (const pack of packs) {
    const { id, bytes, storageClass, mark, need } = pack;
    count(before, storageClass, bytes);
    const to = destinationOf(pack);
    count(after, to ?? storageClass, bytes);
    if (to !== null && classes.has(to)) {
      const waitsDays = Math.max(0, Math.ceil(storageClasses[to].transitionDaysMin - pack.ageDays));
      const marked = mark === to;
      moves.push({ id, bytes, from: storageClass as StorageClass, to, marked, waitsDays });
      if (!marked) cost += movingCost(to, 1);
      continue;
    }
    // A mark that has not taken effect, and would go too far, or was never meant.
    const pending =
      mark !== null &&
      isStorageClass(mark) &&
      isStorageClass(storageClass) &&
      rankOf(mark) > rankOf(storageClass);
    if (pending) retract.push({ id, mark: null });
    if (!isStorageClass(storageClass)) stay.unknownClass++;
    else if (pack.holdsTrees) stay.trees++;
    else if (need === null) stay.unused++;
    else if (need === 'unplaced') stay.unplaced++;
    else if (rankOf(need) > rankOf(storageClass)) stay.small++;
    else stay.needed++;
    const isWarmNeed = need !== null && need !== 'unplaced';
    if (isStorageClass(storageClass) && isWarmNeed && rankOf(storageClass) > rankOf(need)) tooCold.push(pack);
  }
  return {
    moves,
    retract,
    tooCold,
    stay,
    before: amounts(before),
    after: amounts(after),
    movingCost: cost,
  };
}

function count(sums: Map<string, { packs: number; bytes: number }>, name: string, bytes: number): void {
  const sum = sums.get(name) ?? { packs: 0, bytes: 0 };
  sum.packs++;
  sum.bytes += bytes;
  sums.set(name, sum);
}

function amounts(sums: Map<string, { packs: number; bytes: number }>): AmountInClass[] {
  const order = (name: string): number => (isStorageClass(name) ? rankOf(name) : Number.POSITIVE_INFINITY);
  return [...sums]
    .sort(([a], [b]) => order(a) - order(b))
    .map(([storageClass, { packs, bytes }]) => ({
      storageClass,
      packs,
      bytes,
      monthly: monthlyCost(storageClass, packs, bytes),
    }));
}

/** All tags that have to be set or taken away. */
export function markChanges({ moves, retract }: MovePlan): MarkChange[] {
  return [...retract, ...moves.filter(({ marked }) => !marked).map(({ id, to }) => ({ id, mark: to }))];
}
