import { LifeboatError, messageOf } from '../core/errors.ts';
import {
  type Configuration,
  holdersOfSource,
  repositoriesOfSource,
  type SourceConfiguration,
} from '../model/configuration.ts';
import { threadsDefault, warmThreads } from '../repository/workers/threads.ts';
import type { CommandContext } from './command.ts';
import { openConfigured, optionalConfiguration } from './configured.ts';
import type { NamedRepository } from './recovery-places.ts';
import { logicalRestoreOptions } from './restore-logical-options.ts';
import type { PhysicalRestoreContext } from './restore-physical.ts';
import { physicalOptions, refuseOptions } from './restore-source-options.ts';

/** Whether `restore` is about a source of the configuration, and which way it goes then. */

/** IDs of eight digits and more, `latest` and names with a folder behind them are snapshots, whatever sources there are. */
const surelySnapshot = /^(?:latest(?:~\d+)?|[0-9a-f]{8,64})$|:/;

export interface FoundSource {
  readonly configuration: Configuration;
  readonly source: SourceConfiguration;
}

/** The source of that name, or null where it is none. @throws LifeboatError `configuration-invalid`. */
export async function sourceToRestore(
  context: Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>,
  name: string,
): Promise<FoundSource | null> {
  if (surelySnapshot.test(name)) return null;
  const configuration = await optionalConfiguration(context);
  if (!configuration || !Object.hasOwn(configuration.sources, name)) return null;
  return { configuration, source: configuration.sources[name]! };
}

/**
 * Repositories that keep the source, or the one named with -r. Where one of several cannot be opened, the others serve,
 * and where none can, the first that can of those that are filled by copying.
 * @throws LifeboatError of the first where none can be opened.
 */
export async function openRepositoriesOf(
  context: Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>,
  { configuration, source }: FoundSource,
): Promise<NamedRepository[]> {
  const { repository: given } = context.global;
  const named = given !== undefined && Object.hasOwn(configuration.repositories, given) ? given : null;
  const kept = named === null ? repositoriesOfSource(configuration, source.name) : [named];
  const names = named === null ? holdersOfSource(configuration, source.name) : kept;
  if (kept.length === 0)
    throw new LifeboatError('usage', `no repository keeps ${source.name}`, {
      hint: `name ${source.name} below \`protect\` in ${configuration.path}`,
    });
  const open: NamedRepository[] = [];
  let failure: unknown = null;
  for (const [n, name] of names.entries()) {
    if (n >= kept.length && open.length > 0) break;
    try {
      open.push({ name, repository: await openConfigured(context, configuration, name) });
    } catch (error) {
      if (!(error instanceof LifeboatError) || context.signal.aborted) throw error;
      failure ??= error;
      if (names.length > 1) context.output.warn(`warning: ${name} is left out: ${messageOf(error)}`);
    }
  }
  if (open.length === 0) throw failure;
  return open;
}

/** @returns the exit status. @throws LifeboatError `usage` for sources that are no databases. */
export async function restoreSource(context: PhysicalRestoreContext, found: FoundSource): Promise<number> {
  const { source } = found;
  if (source.type !== 'postgres') {
    throw new LifeboatError(
      'usage',
      `${source.name} is a source of files, which are restored from a snapshot`,
      {
        hint: `find it with \`lifeboat snapshots --tag lifeboat:source=${source.name}\`, then restore it by its ID`,
      },
    );
  }
  const { options } = context;
  if (source.method === 'logical') {
    refuseOptions(options, physicalOptions, `${source.name} is backed up by dumps`);
    const { restoreLogical } = await import('./restore-logical.ts');
    return restoreLogical(context, found.configuration, source, { ...options, to: options.to ?? 'latest' });
  }
  const withTables = ['drop', 'url', 'no-owner', 'no-privileges'];
  const foreign = Object.keys(logicalRestoreOptions).filter(
    (name) => options.table.length === 0 || !withTables.includes(name),
  );
  refuseOptions(options, foreign, `${source.name} is backed up physically`);
  // All of it loads its code while the repository's key is derived. One more thread opens the journal for the plan.
  if (!options.dryRun) warmThreads((options.workers ?? threadsDefault()) + (source.journal === null ? 0 : 1));
  const [repositories, { restorePhysical }] = await Promise.all([
    openRepositoriesOf(context, found),
    import('./restore-physical.ts'),
  ]);
  return restorePhysical(context, source, repositories);
}
