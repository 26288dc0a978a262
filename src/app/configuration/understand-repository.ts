import type { RepositoryConfiguration, SecretReference } from '../../model/configuration.ts';
import { isLocal, locationProblem, schemeRefusal } from '../location.ts';
import type { Finding, KeyPath } from './problems.ts';
import { restPlace, sftpPlace } from './remote-places.ts';
import { s3Place } from './s3-place.ts';
import type { RepositoryShape } from './schema-repository.ts';
import { durationMs } from './units.ts';

type Place = Pick<RepositoryConfiguration, 'location' | 'options'>;

/** How texts of the file are meant: paths begin at the file. */
interface Meaning {
  absolute(path: string): string;
  /** The same for paths in references to secrets. */
  reference(text: string): SecretReference;
}

/** What a repository of the file means. */
export function understandRepository(
  given: RepositoryShape,
  at: KeyPath,
  meaning: Meaning,
): { readonly repository: RepositoryConfiguration; readonly problems: readonly Finding[] } {
  const problems: Finding[] = [];
  const { path, s3, sftp, rest, password, immutability } = given;
  const kinds = Object.entries({ path, s3, sftp, rest }).filter(([, value]) => value !== undefined);
  const kind = kinds[0]?.[0] ?? 'path';
  if (kinds.length !== 1) problems.push({ path: at, message: 'expected one of path, s3, sftp and rest' });
  const refusal = schemeRefusal(path ?? '');
  if (refusal) problems.push({ path: [...at, 'path'], message: refusal });
  const place = placeOf(given, meaning);
  const wrong = refusal || isLocal(place.location) ? null : locationProblem(place.location);
  if (wrong) problems.push({ path: [...at, kind], message: wrong });
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries(given.options)) options[key] = String(value);
  Object.assign(options, place.options);
  if (given['append-only']) options['storage.append-only'] = 'true';
  return {
    repository: {
      location: place.location,
      options,
      password: meaning.reference(password),
      site: given.site ?? null,
      removable: given.removable ?? false,
      immutability: immutability ? { mode: immutability.mode, forMs: durationMs(immutability.for) } : null,
    },
    problems,
  };
}

function placeOf({ path = '', s3, sftp, rest }: RepositoryShape, { absolute, reference }: Meaning): Place {
  if (s3) return s3Place(s3, reference);
  if (sftp) return sftpPlace(sftp, absolute, reference);
  if (rest) return restPlace(rest, reference);
  const location = isLocal(path) ? absolute(path.replace(/^local:/, '')) : path;
  return { location, options: {} };
}
