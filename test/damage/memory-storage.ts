import { LifeboatError } from '../../src/core/errors.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** Objects in memory; copies share their bytes, which nothing changes in place. */
export interface MemoryStorage extends Storage {
  readonly objects: Map<string, Buffer>;
  copy(): MemoryStorage;
}

export function memoryStorage(objects = new Map<string, Buffer>()): MemoryStorage {
  const get = (key: string): Buffer => {
    const bytes = objects.get(key);
    if (!bytes) throw new LifeboatError('storage-missing-file', `there is no ${key}`);
    return bytes;
  };
  return {
    objects,
    copy: () => memoryStorage(new Map(objects)),
    location: 'memory',
    connections: 4,
    create: () => Promise.resolve(),
    async save(key, parts) {
      objects.set(key, Buffer.concat(parts));
    },
    async load(key, range) {
      const bytes = get(key);
      return Buffer.from(range ? bytes.subarray(range.offset, range.offset + range.length) : bytes);
    },
    size: async (key) => objects.get(key)?.length ?? null,
    list: async (prefix) =>
      [...objects]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, bytes]) => ({ key, size: bytes.length })),
    async remove(key) {
      get(key);
      objects.delete(key);
    },
    localPath: () => null,
  };
}
