import { lifecycleDefaults } from '../app/configuration/understand-repository.ts';
import { storageAt } from '../app/connect.ts';
import { LifeboatError } from '../core/errors.ts';
import type { LifecyclePolicy, Tier } from '../model/configuration.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { locateRepository, optionalConfiguration } from './configured.ts';
import { storageAccess } from './storage-access.ts';

/** What commands begin with that are about the bucket of a repository: they need neither its password nor a lock. */

type Context = Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>;

export interface ColdSettings {
  readonly tiers: readonly Tier[];
  readonly lifecycle: LifecyclePolicy;
}

export interface BucketSession extends ColdSettings {
  readonly storage: Repository['storage'];
  /** In the configuration; null for a location. */
  readonly name: string | null;
}

/** The repository that the arguments name, else the one of -r. */
export function withRepositoryArgument<T extends Context>(context: T, given: string | undefined): T {
  if (given === undefined) return context;
  if (context.global.repository !== undefined && context.global.repository !== given)
    throw new LifeboatError('usage', `two repositories are given: ${context.global.repository} and ${given}`);
  return { ...context, global: { ...context.global, repository: given } };
}

/** Tiers of the repository, where it is one of the configuration that has some. */
export async function coldSettings(
  context: Context,
): Promise<ColdSettings & { readonly name: string | null }> {
  const { name } = await locateRepository(context.global, context);
  const configuration = name === null ? null : await optionalConfiguration(context);
  const found = name === null ? undefined : configuration?.repositories[name];
  return { name, tiers: found?.tiers ?? [], lifecycle: found?.lifecycle ?? lifecycleDefaults };
}

export async function openBucketSession(context: Context): Promise<BucketSession> {
  const { location, options } = await locateRepository(context.global, context);
  const settings = await coldSettings(context);
  return { ...settings, storage: storageAt(location, storageAccess(context, options)) };
}

/** @throws LifeboatError `usage` where the configuration has no tiers for it. */
export function demandTiers({ tiers, name }: ColdSettings & { readonly name: string | null }): void {
  if (tiers.length > 0) return;
  const what = name === null ? 'a repository that is only a location' : `the repository ${name}`;
  throw new LifeboatError('usage', `${what} has no tiers`, {
    hint: 'write `tiers` below the repository in the configuration; docs/cold-storage.md shows how',
  });
}
