import type { Storage } from './storage.ts';

/** A storage that reads as ever and forgets what is written or deleted: nothing changes. Locks are kept out as well. */
export function withoutWrites(storage: Storage): Storage {
  return {
    ...storage,
    create: async () => {},
    save: async () => {},
    remove: async () => {},
    sweep: async () => 0,
    ...(storage.bucket && { bucket: { ...storage.bucket, replaceLifecycle: async () => {} } }),
    ...(storage.vault && {
      vault: {
        ...storage.vault,
        extend: async () => {},
        setLegalHold: async () => {},
        removeVersion: async () => {},
        tryToShorten: async () => {},
      },
    }),
    ...(storage.archive && {
      archive: { ...storage.archive, request: async () => {}, setMark: async () => {} },
    }),
  };
}
