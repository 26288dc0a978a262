import type { ProofCounts, ProofMode } from '../model/proof.ts';
import { withProof } from '../storage/layers/prove.ts';
import type { StorageAccess } from './storage-access.ts';

export interface ProvingAccess {
  readonly access: StorageAccess;
  /** Of all storages that were reached so. */
  counts(): ProofCounts;
}

/** An access through which what is saved is asked for again before it counts as saved, see `withProof`. */
export function provingAccess(access: StorageAccess, mode: ProofMode): ProvingAccess {
  const reached: (() => ProofCounts)[] = [];
  const sum = (each: keyof ProofCounts): number =>
    reached.reduce((total, counts) => total + counts()[each], 0);
  return {
    access: {
      ...access,
      shares: access.shares ?? access,
      layer(storage) {
        const proving = withProof(access.layer ? access.layer(storage) : storage, mode);
        reached.push(proving.counts);
        return proving.storage;
      },
    },
    counts: () => ({
      objects: sum('objects'),
      bytes: sum('bytes'),
      readBack: sum('readBack'),
      readBackBytes: sum('readBackBytes'),
    }),
  };
}
