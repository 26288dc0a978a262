import type { PostgresSource } from '../model/configuration.ts';
import { type ConnectionSettings, connectionSettings } from '../sources/postgres/connection/settings.ts';
import { isSecretReference, resolveSecret, type SecretSurroundings } from './configuration/secret.ts';

/**
 * How to reach the server of a source, with its secrets looked up and hidden from everything printed.
 * @throws LifeboatError `secret-missing`, `database-settings`, `cancelled`.
 */
export async function postgresConnection(
  source: Pick<PostgresSource, 'url' | 'password'>,
  secrets: SecretSurroundings,
): Promise<ConnectionSettings> {
  const { url, password } = source;
  const given = url !== null && isSecretReference(url) ? await resolveSecret(url, secrets) : url;
  const settings = await connectionSettings(given, {
    password: password === null ? null : await resolveSecret(password, secrets),
    env: secrets.env,
  });
  for (const secret of settings.secrets) secrets.hide(secret);
  return settings;
}
