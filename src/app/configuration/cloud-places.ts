import type { RepositoryConfiguration } from '../../model/configuration.ts';
import type { RepositoryShape } from './schema-repository.ts';

/** Containers and buckets of the configuration as locations and options of the command line. */

type Place = Pick<RepositoryConfiguration, 'location' | 'options'>;

function optionsOf(kind: string, given: Readonly<Record<string, unknown>>): Record<string, string> {
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries(given))
    if (value !== undefined) options[`${kind}.${key}`] = String(value);
  return options;
}

/** @param reference makes paths in references to secrets absolute. */
export function azurePlace(
  {
    container,
    prefix = '',
    'account-key': key,
    'account-sas': sas,
    ...more
  }: NonNullable<RepositoryShape['azure']>,
  reference: (text: string) => string,
): Place {
  const secrets = {
    ...(key !== undefined && { 'account-key': reference(key) }),
    ...(sas !== undefined && { 'account-sas': reference(sas) }),
  };
  return { location: `azure:${container}:/${prefix}`, options: optionsOf('azure', { ...more, ...secrets }) };
}

/** @param absolute makes paths begin at the configuration file. */
export function gcsPlace(
  { bucket, prefix = '', credentials, ...more }: NonNullable<RepositoryShape['gs']>,
  absolute: (path: string) => string,
): Place {
  const file = credentials === undefined ? {} : { credentials: absolute(credentials) };
  return { location: `gs:${bucket}:/${prefix}`, options: optionsOf('gs', { ...more, ...file }) };
}
