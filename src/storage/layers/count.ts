import type { Storage } from '../storage.ts';

export type Operation = 'create' | 'save' | 'load' | 'size' | 'list' | 'remove';

/** What was asked of a storage, with those that failed. */
export interface StorageCounts {
  readonly operations: Record<Operation, number>;
  /** Content that was saved, and that was loaded. */
  bytesSaved: number;
  bytesLoaded: number;
}

export function newCounts(): StorageCounts {
  return {
    operations: { create: 0, save: 0, load: 0, size: 0, list: 0, remove: 0 },
    bytesSaved: 0,
    bytesLoaded: 0,
  };
}

/** Counts into `counts`. Wrapped directly around a driver it counts each try; a listing counts once, however long. */
export function withCounts(storage: Storage, counts: StorageCounts): Storage {
  const { operations } = counts;
  return {
    ...storage,
    create: () => {
      operations.create++;
      return storage.create();
    },
    save: async (key, parts, facts) => {
      operations.save++;
      await storage.save(key, parts, facts);
      counts.bytesSaved += parts.reduce((sum, { length }) => sum + length, 0);
    },
    load: async (key, range) => {
      operations.load++;
      const bytes = await storage.load(key, range);
      counts.bytesLoaded += bytes.length;
      return bytes;
    },
    size: (key) => {
      operations.size++;
      return storage.size(key);
    },
    list: (prefix) => {
      operations.list++;
      return storage.list(prefix);
    },
    remove: (key) => {
      operations.remove++;
      return storage.remove(key);
    },
  };
}
