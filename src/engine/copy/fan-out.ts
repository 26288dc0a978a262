import type { PackedBlob } from '../../repository/pack.ts';
import type { BlobProblem } from '../../repository/workers/protocol.ts';
import type { TransferStore } from '../transfer/transfer-blobs.ts';
import type { Lane } from './lanes.ts';

/** Several targets as one store: what is read of a pack goes to all of them at once. */
export interface FanOut extends TransferStore {
  /** What `transfer` rejects with once no target is left; null while there is one. */
  allFailed(): unknown;
}

const keyOf = ({ type, id }: PackedBlob): string => `${type} ${id}`;

export function storeOfAll(lanes: readonly Lane[]): FanOut {
  const live = (): readonly Lane[] => lanes.filter((lane) => lane.failure() === null);
  const allFailed = (): unknown => (live().length > 0 ? null : lanes[0]!.failure());

  return {
    pool: { size: Math.max(...lanes.map(({ store }) => store.pool.size)) },
    allFailed,
    async transfer(input) {
      const outcomes = await Promise.all(
        live().map((lane) =>
          lane.attempt(() => {
            const { table } = lane.store.index;
            const lacking = input.blobs.filter(
              ({ type, id }) => table.find(type, Buffer.from(id, 'hex')) < 0,
            );
            return lacking.length === 0
              ? Promise.resolve(null)
              : lane.store.transfer({ ...input, blobs: lacking });
          }),
        ),
      );
      const failure = allFailed();
      if (failure !== null) throw failure;
      const problems = new Map<string, BlobProblem>();
      const stored = { blobs: 0, bytes: 0, packedBytes: 0 };
      for (const outcome of outcomes) {
        for (const problem of outcome?.problems ?? []) problems.set(keyOf(problem.blob), problem);
        stored.blobs += outcome?.stored.blobs ?? 0;
        stored.bytes += outcome?.stored.bytes ?? 0;
        stored.packedBytes += outcome?.stored.packedBytes ?? 0;
      }
      return { stored, problems: [...problems.values()] };
    },
  };
}
