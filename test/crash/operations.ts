import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../../src/core/errors.ts';
import { executePrune } from '../../src/engine/prune/execute.ts';
import { pruneDefaults, unusedShare } from '../../src/engine/prune/options.ts';
import { preparePrune } from '../../src/engine/prune/prune.ts';
import type { Id } from '../../src/model/id.ts';
import { withLock } from '../../src/repository/lock.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { backUp, smallPackBytes } from '../repositories/backup.ts';
import { testPassword } from '../repositories/cheap.ts';
import { localStorage } from './faulty-local.ts';
import type { Operation } from './faulty-storage.ts';
import type { Prepared, Template } from './prepared.ts';
import { runCommand } from './run-command.ts';

/** What is run, killed at every one of its storage operations, and run again. */
export interface CrashOperation {
  readonly template: Template;
  run(context: OperationContext): Promise<void>;
  /** Trees of which there must be a snapshot at every moment. */
  remains(prepared: Pick<Prepared, 'trees'>): readonly Id[];
  /** Trees of which there must be a snapshot at the end; by default those that remain. */
  atEnd?(prepared: Pick<Prepared, 'trees'>): readonly Id[];
  /** At every moment each snapshot of the beginning is there, or one that names it as its original. */
  readonly keepsOriginals?: boolean;
  /** The repository is damaged to begin with, so it need only be sound at the end. */
  readonly repairs?: boolean;
  /** What it reads damaged it takes for lost, as it is there to do: reads are not damaged under it. */
  readonly believesDamage?: boolean;
  /** Whether this may fail or give back damage without the whole failing: a detour leads to the same end. */
  tolerates?(operation: Operation): boolean;
  /** Takes so long that fewer points are enough. */
  readonly isSlow?: boolean;
}

export interface OperationContext {
  /** Path of the repository. */
  readonly repository: string;
  /** The folder to back up. */
  readonly source: string;
  /** Holds the password that the repositories have. */
  readonly passwordFile: string;
  /** A second repository with three snapshots, which nobody else writes to. */
  readonly other: string;
}

const all = ({ trees }: Pick<Prepared, 'trees'>): readonly Id[] => trees;
const none = (): readonly Id[] => [];
const onRepository =
  (...args: string[]) =>
  ({ repository }: OperationContext): Promise<void> =>
    runCommand([...args, '--repo', repository]);

/** A pack that cannot be removed is warned of and left to the next prune, with status 0 as in restic. */
const isPackRemoval = ({ name, key }: Operation): boolean => name === 'remove' && key.startsWith('data/');

/** Any pack: the first in the order of names. */
function somePack(repository: string): string {
  const folders = readdirSync(join(repository, 'data')).sort();
  return folders.flatMap((folder) => readdirSync(join(repository, 'data', folder)).sort())[0]!;
}

export const crashOperations: Readonly<Record<string, CrashOperation>> = {
  // Through the engine and not the command, for packs smaller than that allows: more of them, more to interrupt.
  backup: {
    template: 'base',
    async run({ repository: path, source }) {
      const repository = await openRepository(localStorage(path), testPassword);
      await withLock(repository, { exclusive: false }, async (signal) => {
        await backUp(repository, source, { signal });
      });
    },
    // Without its parent, or a tree of it, a backup reads files again.
    tolerates: ({ name, key }) => name === 'load' && /^(data|snapshots)\//.test(key),
    remains: all,
  },
  prune: {
    template: 'forgotten',
    async run({ repository: path }) {
      const repository = await openRepository(localStorage(path), testPassword);
      const { leftOver } = await withLock(repository, { exclusive: true }, async (signal) => {
        const options = { ...pruneDefaults, maxUnusedBytes: unusedShare(0) };
        const { index, plan } = await preparePrune(repository, options);
        return executePrune(repository, index, plan, { signal, packBytes: smallPackBytes });
      });
      if (leftOver.length > 0)
        throw new LifeboatError('storage-failed', `${leftOver.length} packs are left over`);
    },
    remains: ({ trees }) => trees.slice(1),
  },
  'backup command': {
    template: 'base',
    run: ({ repository, source }) => runCommand(['backup', source, '--repo', repository]),
    tolerates: ({ name, key }) => name === 'load' && /^(data|snapshots)\//.test(key),
    remains: all,
  },
  forget: {
    template: 'base',
    run: onRepository('forget', '--keep-last', '1', '--group-by', ''),
    remains: ({ trees }) => trees.slice(2),
  },
  'forget --prune': {
    template: 'base',
    tolerates: isPackRemoval,
    run: onRepository('forget', '--keep-last', '2', '--group-by', '', '--prune', '--max-unused', '0'),
    remains: ({ trees }) => trees.slice(1),
  },
  copy: {
    template: 'empty',
    run: ({ repository, other }) => runCommand(['copy', '--repo', repository, '--from-repo', other]),
    remains: none,
    atEnd: all,
  },
  tag: {
    template: 'base',
    run: onRepository('tag', '--add', 'tagged'),
    remains: all,
  },
  'rewrite --forget': {
    template: 'base',
    run: onRepository('rewrite', '--forget', '--exclude', 'file 1'),
    remains: none,
    keepsOriginals: true,
  },
  rewrite: {
    template: 'base',
    run: onRepository('rewrite', '--exclude', 'file 1'),
    remains: all,
  },
  'repair index': {
    believesDamage: true,
    template: 'base',
    run: onRepository('repair', 'index', '--read-all-packs'),
    remains: all,
  },
  'repair index that lost a file': {
    believesDamage: true,
    template: 'lost-index',
    run: onRepository('repair', 'index'),
    remains: all,
    repairs: true,
  },
  'repair packs': {
    believesDamage: true,
    template: 'base',
    tolerates: isPackRemoval,
    run: (context) => onRepository('repair', 'packs', somePack(context.repository))(context),
    remains: all,
  },
  'repair snapshots': {
    believesDamage: true,
    template: 'lost-pack',
    run: onRepository('repair', 'snapshots', '--forget'),
    remains: none,
    repairs: true,
  },
  'key passwd': {
    template: 'base',
    // To the same password, so that whichever key is left opens it.
    run: ({ repository, passwordFile }) =>
      runCommand(['key', 'passwd', '--repo', repository, '--new-password-file', passwordFile]),
    remains: all,
    isSlow: true,
  },
};
