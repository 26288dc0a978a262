import { existsSync } from 'node:fs';
import { findConfiguration, loadConfiguration } from '../app/configuration/load.ts';
import { resolveSecret, type SecretSurroundings } from '../app/configuration/secret.ts';
import { type AheadRepository, openAheadAt, openAt } from '../app/connect.ts';
import type { StorageAccess } from '../app/storage-access.ts';
import { LifeboatError } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import { trimWhiteSpace } from '../core/text-file.ts';
import type {
  Configuration,
  RepositoryConfiguration,
  SecretReference,
  SourceConfiguration,
} from '../model/configuration.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import type { GlobalOptions } from './global-options.ts';
import { resolveRepositoryLocation } from './repository-location.ts';
import { storageAccess } from './storage-access.ts';

/** What commands take from the configuration file: repositories and sources by name, and secrets. */

type Context = Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>;

/** A run reads its configuration once, whoever asks. */
const loaded = new WeakMap<GlobalOptions, Promise<Configuration | null>>();

/**
 * The configuration of this run, or null where there is none.
 * @throws LifeboatError `configuration-missing` for a file that was named and cannot be read,
 * `configuration-invalid`.
 */
export function optionalConfiguration({ global, env }: Context): Promise<Configuration | null> {
  let reading = loaded.get(global);
  if (!reading) {
    reading = (async () => {
      const path = await findConfiguration(global.config ?? null, env);
      return path === null ? null : loadConfiguration(path, env);
    })();
    loaded.set(global, reading);
  }
  return reading;
}

/** As `optionalConfiguration`, for commands that are nothing without. @throws also `configuration-missing`. */
export async function requireConfiguration(context: Context): Promise<Configuration> {
  return (
    (await optionalConfiguration(context)) ?? loadConfiguration(context.global.config ?? null, context.env)
  );
}

/** @throws LifeboatError `usage` with the nearest name. */
export function sourceNamed(configuration: Configuration, name: string): SourceConfiguration {
  const found = ownEntry(configuration.sources, name);
  if (found) return found;
  throw unknownName('source', name, Object.keys(configuration.sources), configuration.path);
}

/** @throws LifeboatError `usage` with the nearest name. */
export function repositoryNamed(configuration: Configuration, name: string): RepositoryConfiguration {
  const found = ownEntry(configuration.repositories, name);
  if (found) return found;
  throw unknownName('repository', name, Object.keys(configuration.repositories), configuration.path);
}

function ownEntry<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function unknownName(
  kind: string,
  name: string,
  known: readonly string[],
  path: string,
  folder: string | null = null,
): LifeboatError {
  const near = nearest(name, known);
  const orFolder = folder === null ? '' : `; for a folder of that name write ${folder}`;
  return new LifeboatError(
    'usage',
    `no ${kind} is named ${JSON.stringify(name)} in ${path}${near ? `; did you mean ${near}?` : ''}`,
    { hint: known.length > 0 ? `it has ${known.join(', ')}${orFolder}` : `add one to ${path}` },
  );
}

/** For `resolveSecret`: what it hides is hidden in everything this command prints. */
export function secretSurroundings({ env, signal, output }: Context): SecretSurroundings {
  return {
    env,
    signal,
    hide: (secret) => output.hide(secret),
    warn: (message) => output.warn(`warning: ${message}`),
  };
}

/** A repository's password; white space around it is dropped as from a password file. */
async function configuredPassword(context: Context, reference: SecretReference): Promise<string> {
  const secret = await resolveSecret(reference, secretSurroundings(context));
  return reference.startsWith('env:') ? secret : trimWhiteSpace(secret);
}

export interface ConfiguredOptions {
  readonly readOnly?: boolean;
  /** Changes how the storage is reached. */
  readonly through?: (access: StorageAccess) => StorageAccess;
}

/** Opens a repository of the configuration with the password that stands there. @throws as `openAt`. */
export async function openConfigured(
  context: Context,
  configuration: Configuration,
  name: string,
  { through = (access) => access, ...options }: ConfiguredOptions = {},
): Promise<Repository> {
  const { location, password, access } = await accessTo(context, configuration, name);
  return openAt(location, password, { ...options, access: through(access) });
}

/** The same for work under a lock taken early, see `openAheadAt`. */
export async function openConfiguredAhead(
  context: Context,
  configuration: Configuration,
  name: string,
  options: { readonly readOnly?: boolean } = {},
): Promise<AheadRepository> {
  const { location, password, access } = await accessTo(context, configuration, name);
  return openAheadAt(location, password, { ...options, access });
}

async function accessTo(
  context: Context,
  configuration: Configuration,
  name: string,
): Promise<{ location: string; password: string; access: StorageAccess }> {
  const { location, options, password } = repositoryNamed(configuration, name);
  return {
    location,
    password: await configuredPassword(context, password),
    access: storageAccess(context, options),
  };
}

export interface LocatedRepository {
  readonly location: string;
  /** Of its storage, as the configuration has them. */
  readonly options: Readonly<Record<string, string>>;
  /** In the configuration; null for a location. */
  readonly name: string | null;
  /** The password that the configuration refers to, for when no option or variable gives one. */
  readonly configured: (() => Promise<string>) | undefined;
}

/** What a name in a configuration looks like; anything else can only be a location. */
const nameLike = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * Where the repository is: a name of the configuration, a location, or the only repository of the
 * configuration where none is given.
 *
 * @throws LifeboatError `usage` when none is given and the configuration does not settle it, and as
 * `optionalConfiguration`.
 */
export async function locateRepository(
  given: { readonly repository: string | undefined; readonly repositoryFile: string | undefined },
  context: Context,
): Promise<LocatedRepository> {
  if (!given.repository && given.repositoryFile) return plain(await resolveRepositoryLocation(given));
  if (given.repository && !nameLike.test(given.repository)) return plain(given.repository);
  const configuration = await optionalConfiguration(context);
  const names = Object.keys(configuration?.repositories ?? {});
  const name = given.repository || (names.length === 1 ? names[0]! : '');
  const found = configuration ? ownEntry(configuration.repositories, name) : undefined;
  if (found) {
    const { location, options, password } = found;
    return { location, options, name, configured: () => configuredPassword(context, password) };
  }
  if (given.repository && configuration && names.length > 0 && !existsSync(given.repository))
    throw unknownName('repository', given.repository, names, configuration.path, `./${given.repository}`);
  if (given.repository || !configuration || names.length === 0)
    return plain(await resolveRepositoryLocation(given));
  throw new LifeboatError('usage', 'no repository was given, and the configuration has several', {
    hint: `give -r NAME with one of ${names.join(', ')}`,
  });
}

function plain(location: string): LocatedRepository {
  return { location, options: {}, name: null, configured: undefined };
}
