import {
  isStorageClass,
  type StorageClass,
  storageClasses,
  type ThawSpeed,
} from '../../model/storage-class.ts';

/**
 * What AWS asks in its cheapest regions (us-east-1 and its like), in US dollars without tax, transfer and the free
 * tier. For estimates: other regions cost up to twice as much, other providers what they please.
 */
export const pricesOf = 'AWS us-east-1, list prices';

const gigabyte = 2 ** 30;

interface ClassPrices {
  /** A GB for a month. */
  readonly storage: number;
  /** 1000 objects that a lifecycle rule moves here. */
  readonly transition: number;
}

const classPrices: Readonly<Record<StorageClass, ClassPrices>> = {
  STANDARD: { storage: 0.023, transition: 0 },
  STANDARD_IA: { storage: 0.0125, transition: 0.01 },
  ONEZONE_IA: { storage: 0.01, transition: 0.01 },
  GLACIER_IR: { storage: 0.004, transition: 0.02 },
  GLACIER: { storage: 0.0036, transition: 0.03 },
  DEEP_ARCHIVE: { storage: 0.00099, transition: 0.05 },
};

/** Kept beside each archived object: an index in the archive, and its name in STANDARD. */
const archiveIndexBytes = 32 * 1024;
const archiveNameBytes = 8 * 1024;

/** Dollars a month for objects in a class; null where the class has no price here. */
export function monthlyCost(name: string, objects: number, bytes: number): number | null {
  if (!isStorageClass(name)) return null;
  const { isArchive } = storageClasses[name];
  const beside = isArchive ? objects * archiveIndexBytes : 0;
  const names = isArchive ? (objects * archiveNameBytes * classPrices.STANDARD.storage) / gigabyte : 0;
  return ((bytes + beside) * classPrices[name].storage) / gigabyte + names;
}

/** Dollars, once, for tagging objects and having the lifecycle move them. */
export function movingCost(name: StorageClass, objects: number): number {
  return (objects * (classPrices[name].transition + putPrice)) / 1000;
}

/** 1000 requests that write, such as setting tags. */
const putPrice = 0.005;

/** Dollars for deleting, or moving on, an object before its time: the days that are left are paid. */
export function earlyDeletionCost(name: string, bytes: number, ageDays: number): number {
  if (!isStorageClass(name)) return 0;
  const left = Math.max(0, storageClasses[name].daysMin - ageDays);
  return ((bytes * classPrices[name].storage) / gigabyte) * (left / 30);
}

interface Retrieval {
  readonly perGigabyte: number;
  /** For 1000 objects. */
  readonly requests: number;
  /** From the first to the last object, hours. */
  readonly hours: readonly [least: number, most: number];
}

/** RestoreObject; null: the class knows no such speed. */
const retrievals: Readonly<
  Record<'GLACIER' | 'DEEP_ARCHIVE', Readonly<Record<ThawSpeed, Retrieval | null>>>
> = {
  GLACIER: {
    expedited: { perGigabyte: 0.03, requests: 10, hours: [1 / 60, 5 / 60] },
    standard: { perGigabyte: 0.01, requests: 0.05, hours: [3, 5] },
    bulk: { perGigabyte: 0, requests: 0, hours: [5, 12] },
  },
  DEEP_ARCHIVE: {
    expedited: null,
    standard: { perGigabyte: 0.02, requests: 0.1, hours: [9, 12] },
    bulk: { perGigabyte: 0.0025, requests: 0.025, hours: [12, 48] },
  },
};

export interface ThawEstimate {
  readonly speed: ThawSpeed;
  /** Dollars: retrieval, requests and the copies for their days; null where a class has no price here. */
  readonly cost: number | null;
  readonly hours: readonly [least: number, most: number];
}

export interface ClassAmount {
  readonly storageClass: string;
  readonly objects: number;
  readonly bytes: number;
}

/** @returns null where one of the classes knows no such speed. */
export function estimateThaw(
  amounts: readonly ClassAmount[],
  speed: ThawSpeed,
  days: number,
): ThawEstimate | null {
  let cost: number | null = 0;
  let least = 0;
  let most = 0;
  for (const { storageClass, objects, bytes } of amounts) {
    const prices =
      storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' ? retrievals[storageClass] : null;
    if (prices === null) {
      cost = null;
      continue;
    }
    const retrieval = prices[speed];
    if (retrieval === null) return null;
    const copies = (monthlyCost('STANDARD', objects, bytes)! * days) / 30;
    if (cost !== null)
      cost += (bytes / gigabyte) * retrieval.perGigabyte + (objects / 1000) * retrieval.requests + copies;
    least = Math.max(least, retrieval.hours[0]);
    most = Math.max(most, retrieval.hours[1]);
  }
  return { speed, cost, hours: [least, most] };
}
