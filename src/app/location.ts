import { messageOf } from '../core/errors.ts';
import { parseAzureLocation } from '../storage/azure/location.ts';
import { parseGcsLocation } from '../storage/gcs/location.ts';
import { parseRestLocation } from '../storage/rest/location.ts';
import { parseS3Location } from '../storage/s3/location.ts';
import { parseSftpLocation } from '../storage/sftp/location.ts';

/** Schemes of restic's locations that this version cannot reach; said plainly instead of taken for a path. */
const schemesToCome = ['b2', 'swift', 'rclone'];

/** `s3` of `s3:host/bucket`; null for a path. */
export function schemeOf(location: string): string | null {
  return /^([a-z0-9]+):/.exec(location)?.[1] ?? null;
}

/** Why a location cannot be reached by this version, or null where it can. */
export function schemeRefusal(location: string): string | null {
  const scheme = schemeOf(location);
  return scheme && schemesToCome.includes(scheme)
    ? `repositories at ${scheme}: locations are not supported by this version`
    : null;
}

const parsers: Readonly<Record<string, (location: string) => unknown>> = {
  s3: parseS3Location,
  sftp: parseSftpLocation,
  rest: parseRestLocation,
  azure: parseAzureLocation,
  gs: parseGcsLocation,
};

/** Why a location with a scheme is none, or null. */
export function locationProblem(location: string): string | null {
  try {
    parsers[schemeOf(location) ?? '']?.(location);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether a location is a folder of this machine. */
export function isLocal(location: string): boolean {
  const scheme = schemeOf(location);
  return !(scheme && Object.hasOwn(parsers, scheme)) && schemeRefusal(location) === null;
}
