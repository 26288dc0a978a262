import { LifeboatError } from '../../core/errors.ts';

/** Where a repository is on a REST server. */
export interface RestLocation {
  /** With a slash at its end, without credentials. */
  readonly url: URL;
  readonly user: string | null;
  readonly password: string | null;
}

/**
 * `rest:https://user:password@host:8000/path/` as restic reads it.
 * @throws LifeboatError `usage`.
 */
export function parseRestLocation(location: string): RestLocation {
  const given = location.replace(/^rest:/, '');
  let url: URL;
  try {
    url = new URL(given.endsWith('/') ? given : `${given}/`);
  } catch {
    throw invalid(given, 'it is no URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalid(given, 'the URL begins neither with http:// nor with https://');
  if (url.search !== '' || url.hash !== '') throw invalid(given, 'the URL has a query or a fragment');
  const { username, password } = url;
  url.username = '';
  url.password = '';
  return {
    url,
    user: username === '' ? null : decodeURIComponent(username),
    password: password === '' ? null : decodeURIComponent(password),
  };
}

function invalid(given: string, why: string): LifeboatError {
  const shown = given.replace(/\/\/[^/]*@/, '//***@');
  return new LifeboatError('usage', `the location rest:${shown} cannot be used: ${why}`, {
    hint: 'write rest:https://host:8000/path/, and give user and password with LIFEBOAT_REST_USERNAME and LIFEBOAT_REST_PASSWORD',
  });
}

/** How a location is shown: without credentials. */
export function formatRestLocation({ url }: RestLocation): string {
  return `rest:${url.href}`;
}
