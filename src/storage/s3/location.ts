import { posix } from 'node:path';
import { LifeboatError } from '../../core/errors.ts';

/** Where a bucket is, as told by a location of restic's syntax (restic internal/backend/s3/config.go). */
export interface S3Place {
  /** `https://host[:port]`, or null where AWS's own endpoint of the region is meant. */
  readonly endpoint: string | null;
  /** As far as the location tells it. */
  readonly region: string | null;
  readonly bucket: string;
  /** Without slashes at its ends; empty for the root of the bucket. */
  readonly prefix: string;
  /** Whether the endpoint is AWS's, which wants the bucket in the host's name. */
  readonly isAws: boolean;
}

const regionPattern = /^[a-z]{2}(?:-[a-z]+)+-\d+$/;
/** `s3.amazonaws.com`, `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.…`, `s3.dualstack.eu-west-1.…`, with a bucket before. */
const awsHost =
  /^(?:(?<bucket>[a-z0-9][a-z0-9.-]*[a-z0-9])\.)?s3(?<kind>-fips)?(?<dual>\.dualstack)?(?:[.-](?<region>[a-z]{2}(?:-[a-z]+)+-\d+))?\.amazonaws\.com(?:\.cn)?$/;

function refuse(location: string, why: string): never {
  throw new LifeboatError('usage', `${location} is not a location on S3: ${why}`, {
    hint: 'write s3:https://HOST/BUCKET/PREFIX, or s3:s3.REGION.amazonaws.com/BUCKET/PREFIX',
  });
}

/** Credentials do not belong into a location: it is shown in messages and lists of processes. */
const withoutCredentials = (location: string): string => location.replace(/\/\/[^/@]*@/, '//***@');

/**
 * Reads `s3:https://host:port/bucket/prefix`, `s3:host/bucket/prefix`, `s3://host/bucket/prefix`, and with a region
 * in the place of the host. A host of AWS that begins with the bucket is taken as well.
 *
 * @throws LifeboatError `usage`.
 */
export function parseS3Location(location: string): S3Place {
  const shown = withoutCredentials(location);
  const rest = location.replace(/^s3:/, '');
  const url = /^(https?):\/\/(.*)$/.exec(rest);
  const scheme = url?.[1] ?? 'https';
  const [host = '', ...path] = (url?.[2] ?? rest.replace(/^\/\//, '')).split('/');
  if (host === '') refuse(shown, 'it names no host');
  if (host.includes('@')) refuse(shown, 'credentials belong into the environment or a profile');
  const aws = awsHost.exec(host)?.groups;
  const region = aws?.region ?? (regionPattern.test(host) ? host : null);
  const bucket = aws?.bucket ?? path.shift() ?? '';
  if (bucket === '') refuse(shown, 'it names no bucket');
  const isAws = aws !== undefined || region !== null;
  const special = aws !== undefined && (aws.kind !== undefined || aws.dual !== undefined);
  const ownEndpoint = isAws && !special && scheme === 'https';
  const bare = aws?.bucket ? host.slice(aws.bucket.length + 1) : host;
  return {
    endpoint: ownEndpoint ? null : `${scheme}://${bare}`,
    region,
    bucket,
    prefix: cleanPrefix(path.join('/'), shown),
    isAws,
  };
}

/** As restic cleans it. @throws LifeboatError `usage` for one that points out of the bucket. */
export function cleanPrefix(given: string, shown: string): string {
  if (given === '') return '';
  const prefix = posix.normalize(given).replace(/^\/+|\/+$/g, '');
  if (prefix === '.') return '';
  if (prefix.split('/').includes('..')) refuse(shown, 'its prefix points out of the bucket');
  return prefix;
}
