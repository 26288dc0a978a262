import { LifeboatError } from '../../src/core/errors.ts';
import { executePrune } from '../../src/engine/prune/execute.ts';
import { pruneDefaults, unusedShare } from '../../src/engine/prune/options.ts';
import { preparePrune } from '../../src/engine/prune/prune.ts';
import type { Id } from '../../src/model/id.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { backUp, smallPackBytes } from '../repositories/backup.ts';
import type { Operation } from './faulty-storage.ts';
import type { Prepared, Template } from './prepared.ts';

/** What is run, killed at every one of its storage operations, and run again. */
export interface CrashOperation {
  readonly template: Template;
  readonly lock: 'shared' | 'exclusive' | 'none';
  run(context: OperationContext): Promise<void>;
  /** Whether this operation may fail or give back damage without the whole failing: a detour leads to the same end. */
  readonly tolerates?: (operation: Operation) => boolean;
  /** Trees of which there must be a snapshot at every moment. */
  remains(prepared: Pick<Prepared, 'trees'>): readonly Id[];
}

export interface OperationContext {
  readonly repository: Repository;
  /** The folder to back up. */
  readonly source: string;
  readonly signal: AbortSignal;
}

export const crashOperations: Readonly<Record<string, CrashOperation>> = {
  backup: {
    template: 'base',
    lock: 'shared',
    async run({ repository, source, signal }) {
      await backUp(repository, source, { signal });
    },
    // Without its parent, or a tree of it, a backup reads files again.
    tolerates: ({ name, key }) => name === 'load' && /^(data|snapshots)\//.test(key),
    remains: ({ trees }) => trees,
  },
  prune: {
    template: 'forgotten',
    lock: 'exclusive',
    async run({ repository, signal }) {
      const options = { ...pruneDefaults, maxUnusedBytes: unusedShare(0) };
      const { index, plan } = await preparePrune(repository, options);
      const { leftOver } = await executePrune(repository, index, plan, { signal, packBytes: smallPackBytes });
      if (leftOver.length > 0)
        throw new LifeboatError('storage-failed', `${leftOver.length} packs are left over`);
    },
    remains: ({ trees }) => trees.slice(1),
  },
};
