import { LifeboatError } from '../../core/errors.ts';
import { cleanPrefix } from '../prefix.ts';

/** Where a bucket is, as told by a location of restic's syntax (restic internal/backend/gs/config.go). */
export interface GcsPlace {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the root of the bucket. */
  readonly prefix: string;
}

function refuse(location: string, why: string): never {
  throw new LifeboatError('usage', `${location} is not a location on Google Cloud Storage: ${why}`, {
    hint: 'write gs:BUCKET:/PREFIX',
  });
}

/** Reads `gs:bucket:/prefix`. @throws LifeboatError `usage`. */
export function parseGcsLocation(location: string): GcsPlace {
  const rest = location.replace(/^gs:/, '');
  const colon = rest.indexOf(':');
  if (colon < 0) refuse(location, 'it has no second colon between bucket and prefix');
  const bucket = rest.slice(0, colon);
  if (bucket === '') refuse(location, 'it names no bucket');
  if (!/^[a-z0-9][a-z0-9._-]*[a-z0-9]$/.test(bucket))
    refuse(location, 'names of buckets are lower-case letters, digits, dots, hyphens and underscores');
  const prefix = cleanPrefix(rest.slice(colon + 1));
  if (prefix === null) refuse(location, 'its prefix points out of the bucket');
  return { bucket, prefix };
}
