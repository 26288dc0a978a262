import type { RepositoryConfiguration } from '../../model/configuration.ts';
import { formatSftpLocation } from '../../storage/sftp/location.ts';
import type { RepositoryShape } from './schema-repository.ts';

/** Servers of the configuration as locations and options of the command line. */

type Place = Pick<RepositoryConfiguration, 'location' | 'options'>;

/**
 * @param absolute makes paths begin at the configuration file.
 * @param reference the same for those in references to secrets.
 */
export function sftpPlace(
  { host, port, user, path, ...more }: NonNullable<RepositoryShape['sftp']>,
  absolute: (path: string) => string,
  reference: (text: string) => string,
): Place {
  const files = ['key', 'known-hosts', 'config'];
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries(more)) {
    if (value === undefined) continue;
    const text = String(value);
    options[`sftp.${key}`] = files.includes(key)
      ? absolute(text)
      : key === 'key-passphrase'
        ? reference(text)
        : text;
  }
  return { location: formatSftpLocation({ host, port: port ?? null, user: user ?? null, path }), options };
}

/** @param reference makes paths in references to secrets absolute. */
export function restPlace(
  { url, user, password, connections }: NonNullable<RepositoryShape['rest']>,
  reference: (text: string) => string,
): Place {
  return {
    location: `rest:${url}`,
    options: {
      ...(user !== undefined && { 'rest.user': user }),
      ...(password !== undefined && { 'rest.password': reference(password) }),
      ...(connections !== undefined && { 'rest.connections': String(connections) }),
    },
  };
}
