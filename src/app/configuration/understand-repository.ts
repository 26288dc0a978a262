import type {
  ImmutabilityPolicy,
  LifecyclePolicy,
  RepositoryConfiguration,
  SecretReference,
  Tier,
} from '../../model/configuration.ts';
import { parseTierSpan, tierProblems } from '../../policy/tiers.ts';
import { isLocal, locationProblem, schemeOf, schemeRefusal } from '../location.ts';
import { azurePlace, gcsPlace } from './cloud-places.ts';
import type { Finding, KeyPath } from './problems.ts';
import { restPlace, sftpPlace } from './remote-places.ts';
import { s3Place } from './s3-place.ts';
import type { RepositoryShape } from './schema-repository.ts';
import { durationMs, formatDurationMs } from './units.ts';

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
  const { path, s3, sftp, rest, azure, gs, password, immutability } = given;
  const kinds = Object.entries({ path, s3, sftp, rest, azure, gs }).filter(
    ([, value]) => value !== undefined,
  );
  const kind = kinds[0]?.[0] ?? 'path';
  if (kinds.length !== 1)
    problems.push({ path: at, message: 'expected one of path, s3, sftp, rest, azure and gs' });
  const refusal = schemeRefusal(path ?? '');
  if (refusal) problems.push({ path: [...at, 'path'], message: refusal });
  const place = placeOf(given, meaning);
  const wrong = refusal || isLocal(place.location) ? null : locationProblem(place.location);
  if (wrong) problems.push({ path: [...at, kind], message: wrong });
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries(given.options)) options[key] = String(value);
  Object.assign(options, place.options);
  if (given['append-only']) options['storage.append-only'] = 'true';
  if (given.removable) options['storage.removable'] = 'true';
  const protection = immutability && { mode: immutability.mode, forMs: durationMs(immutability.for) };
  if (protection) {
    options['s3.retention'] = `${protection.mode}:${formatDurationMs(protection.forMs)}`;
    problems.push(...immutabilityProblems(protection, kind, schemeOf(place.location), at));
  }
  const tiers = (given.tiers ?? []).map((tier): Tier => ({ ...tier, for: parseTierSpan(tier.for) }));
  const lifecycle = lifecycleOf(given);
  problems.push(...coldProblems(given, tiers, lifecycle, { location: place.location, options, at }));
  // What is new belongs into the first tier.
  const newest = tiers[0]?.class ?? 'STANDARD';
  if (newest !== 'STANDARD') options['s3.storage-class'] ??= newest;
  return {
    repository: {
      location: place.location,
      options,
      password: meaning.reference(password),
      site: given.site ?? null,
      removable: given.removable ?? false,
      immutability: protection ?? null,
      tiers,
      lifecycle,
    },
    problems,
  };
}

/** Storages without Object Lock have another way, which is to be named. */
function immutabilityProblems(
  { forMs }: ImmutabilityPolicy,
  kind: string,
  scheme: string | null,
  at: KeyPath,
): Finding[] {
  const path = [...at, 'immutability'];
  if (scheme !== 's3') {
    const instead: Readonly<Record<string, string>> = {
      rest: 'have its server refuse to delete (`lifeboat serve --append-only`)',
      sftp: 'use `append-only: true`, or a server that refuses to delete',
    };
    const what = kind === 'path' ? 'a folder' : kind;
    const use = instead[scheme ?? kind] ?? 'use `append-only: true`, or keep a copy on S3';
    return [{ path, message: `immutability is Object Lock of S3, which ${what} does not have: ${use}` }];
  }
  return forMs < 1_000 ? [{ path: [...path, 'for'], message: 'expected at least 1s' }] : [];
}

function placeOf(
  { path = '', s3, sftp, rest, azure, gs }: RepositoryShape,
  { absolute, reference }: Meaning,
): Place {
  if (s3) return s3Place(s3, reference);
  if (sftp) return sftpPlace(sftp, absolute, reference);
  if (rest) return restPlace(rest, reference);
  if (azure) return azurePlace(azure, reference);
  if (gs) return gcsPlace(gs, absolute);
  const location = isLocal(path) ? absolute(path.replace(/^local:/, '')) : path;
  return { location, options: {} };
}

const dayMs = 86_400_000;
export const lifecycleDefaults: LifecyclePolicy = { keepNoncurrentDays: 30, abortUploadsDays: 7 };

function lifecycleOf({ lifecycle, immutability }: RepositoryShape): LifecyclePolicy {
  const days = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Number.parseInt(text, 10);
  const locked = immutability ? Math.ceil(durationMs(immutability.for) / dayMs) : 0;
  return {
    keepNoncurrentDays:
      days(lifecycle?.['keep-noncurrent']) ?? Math.max(locked, lifecycleDefaults.keepNoncurrentDays),
    abortUploadsDays: days(lifecycle?.['abort-uploads']) ?? lifecycleDefaults.abortUploadsDays,
  };
}

/** What of tiers and lifecycle makes no sense for this repository. */
function coldProblems(
  given: RepositoryShape,
  tiers: readonly Tier[],
  lifecycle: LifecyclePolicy,
  { location, options, at }: Pick<Place, 'location' | 'options'> & { readonly at: KeyPath },
): Finding[] {
  const problems: Finding[] = tierProblems(tiers).map(({ tier, message }) => ({
    path: [...at, 'tiers', tier],
    message,
  }));
  const isBucket = schemeOf(location) === 's3';
  for (const key of ['tiers', 'lifecycle'] as const)
    if (given[key] !== undefined && !isBucket)
      problems.push({
        path: [...at, key],
        message: 'only buckets on S3 have storage classes and a lifecycle',
      });
  const stored = options['s3.storage-class']?.toUpperCase();
  const [first] = tiers;
  if (first && stored !== undefined && stored !== first.class) {
    problems.push({
      path: [...at, 'tiers', 0, 'class'],
      message: `new objects are stored as ${stored}, so the first tier can only be ${stored}`,
    });
  }
  const { immutability } = given;
  if (immutability && lifecycle.keepNoncurrentDays * dayMs < durationMs(immutability.for)) {
    problems.push({
      path: [...at, 'lifecycle', 'keep-noncurrent'],
      message: `expected at least as long as immutability lasts (${immutability.for})`,
    });
  }
  return problems;
}
