import { LifeboatError } from '../core/errors.ts';
import {
  type Configuration,
  type JournalConfiguration,
  type PostgresSource,
  repositoriesOfSource,
} from '../model/configuration.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { openConfigured, repositoryNamed, sourceNamed } from './configured.ts';
import { text } from './options.ts';

/** The source that a `lifeboat wal` command works for. */

export const walSourceOptions = {
  source: text({
    placeholder: 'NAME',
    help: 'source of the configuration; may be left out where only one has a journal',
  }),
};

export interface JournaledSource {
  readonly source: PostgresSource;
  readonly journal: JournalConfiguration;
  /** Names; at least one. */
  readonly repositories: readonly string[];
}

/** Sources with a journal. @throws LifeboatError `usage` for a named one that has none. */
export function journaledSources(configuration: Configuration, name: string | undefined): JournaledSource[] {
  const sources =
    name === undefined ? Object.values(configuration.sources) : [sourceNamed(configuration, name)];
  const found = sources.flatMap((source): JournaledSource[] => {
    if (source.type !== 'postgres' || source.journal === null) return [];
    const repositories = repositoriesOfSource(configuration, source.name);
    return repositories.length > 0 ? [{ source, journal: source.journal, repositories }] : [];
  });
  if (found.length > 0) return found;
  throw new LifeboatError(
    'usage',
    `${name === undefined ? `no source in ${configuration.path}` : name} has a journal that a repository keeps`,
    { hint: 'add `journal: {}` to a source with `method: physical`' },
  );
}

/** The one source that is meant. @throws LifeboatError `usage` where there are several. */
export function journaledSource(configuration: Configuration, name: string | undefined): JournaledSource {
  const found = journaledSources(configuration, name);
  if (found.length === 1) return found[0]!;
  throw new LifeboatError('usage', 'several sources have a journal', {
    hint: `name one with --source: ${found.map(({ source }) => source.name).join(', ')}`,
  });
}

export interface OpenRepository {
  readonly name: string;
  readonly location: string;
  readonly repository: Repository;
}

export async function openRepositories(
  context: CommandContext,
  configuration: Configuration,
  { repositories }: JournaledSource,
): Promise<OpenRepository[]> {
  const open: OpenRepository[] = [];
  for (const name of repositories) {
    const { location } = repositoryNamed(configuration, name);
    open.push({ name, location, repository: await openConfigured(context, configuration, name) });
  }
  return open;
}
