/**
 * Storage classes as S3 names them, with what the colder ones demand (AWS, "Understanding and managing Amazon S3
 * storage classes"). Other providers use the same names for what they have.
 */

export interface StorageClassFacts {
  /** Objects have to be brought back before they can be read. */
  readonly isArchive: boolean;
  /** What is deleted or moved sooner is paid for until then. */
  readonly daysMin: number;
  /** How old an object has to be before a lifecycle rule may move it here. */
  readonly transitionDaysMin: number;
  /** Smaller objects are charged, or left where they are, as if they had these bytes. */
  readonly bytesMin: number;
}

const smallBytes = 128 * 1024;

/** From the hottest to the coldest. */
export const storageClasses = {
  STANDARD: { isArchive: false, daysMin: 0, transitionDaysMin: 0, bytesMin: 0 },
  STANDARD_IA: { isArchive: false, daysMin: 30, transitionDaysMin: 30, bytesMin: smallBytes },
  ONEZONE_IA: { isArchive: false, daysMin: 30, transitionDaysMin: 30, bytesMin: smallBytes },
  GLACIER_IR: { isArchive: false, daysMin: 90, transitionDaysMin: 0, bytesMin: smallBytes },
  GLACIER: { isArchive: true, daysMin: 90, transitionDaysMin: 0, bytesMin: smallBytes },
  DEEP_ARCHIVE: { isArchive: true, daysMin: 180, transitionDaysMin: 0, bytesMin: smallBytes },
} as const satisfies Readonly<Record<string, StorageClassFacts>>;

export type StorageClass = keyof typeof storageClasses;

export const storageClassNames = Object.keys(storageClasses) as [StorageClass, ...StorageClass[]];

export function isStorageClass(name: string): name is StorageClass {
  return Object.hasOwn(storageClasses, name);
}

/** 0 for the hottest. */
export function rankOf(storageClass: StorageClass): number {
  return storageClassNames.indexOf(storageClass);
}

/** Whether objects of a class, known here or not, have to be brought back before they can be read. */
export function isArchiveClass(name: string): boolean {
  return isStorageClass(name) && storageClasses[name].isArchive;
}

/** An object with the class that it is in now. */
export interface ClassedObject {
  readonly key: string;
  readonly size: number;
  readonly storageClass: string;
  readonly modifiedMs: number;
}

/** Whether an object can be read now (S3 API, HeadObject: x-amz-storage-class, x-amz-restore). */
export interface ThawState {
  readonly storageClass: string;
  /** `none`: archived, and nobody has asked for it. `restored`: there is a copy that can be read until `untilMs`. */
  readonly state: 'readable' | 'none' | 'ongoing' | 'restored';
  readonly untilMs: number | null;
}

/** How fast archived objects are brought back (S3 API, RestoreObject: Tier). */
export const thawSpeeds = ['expedited', 'standard', 'bulk'] as const;
export type ThawSpeed = (typeof thawSpeeds)[number];
