import { noteKnown } from '../app/known-repositories.ts';
import { messageOf } from '../core/errors.ts';
import type { CopyPlace } from '../engine/copy/plan-copy.ts';
import { type ScannedSource, scanSources } from '../engine/status/scan-repository.ts';
import type { Configuration } from '../model/configuration.ts';
import { listSnapshots } from '../repository/snapshots.ts';
import type { CommandContext } from './command.ts';
import { repositoryNamed } from './configured.ts';

export function scannedSources({ sources }: Configuration): ScannedSource[] {
  return Object.values(sources).map((source) => ({
    name: source.name,
    journaled: source.type === 'postgres' && source.journal !== null,
  }));
}

/** Notes what repositories hold now, for when they are out of reach. A failure is told and costs nothing else. */
export async function rememberPlaces(
  { output, env }: Pick<CommandContext, 'output' | 'env'>,
  configuration: Configuration,
  places: readonly CopyPlace[],
): Promise<void> {
  for (const { name, repository, journal } of places) {
    try {
      const { snapshots } = await listSnapshots(repository, true);
      const facts = {
        repository: repository.config.id,
        seenAt: new Date().toISOString(),
        sources: await scanSources(snapshots, journal, scannedSources(configuration)),
      };
      const { location } = repositoryNamed(configuration, name);
      await noteKnown(location, repository.storage.location, facts, env);
    } catch (error) {
      output.warn(
        `warning: what ${name} holds could not be noted for \`lifeboat status\`: ${messageOf(error)}`,
      );
    }
  }
}
