import type { RepositoryConfiguration } from '../model/configuration.ts';
import { parseRestLocation } from '../storage/rest/location.ts';
import { parseS3Location } from '../storage/s3/location.ts';
import { parseSftpLocation } from '../storage/sftp/location.ts';
import { isLocal, schemeOf } from './location.ts';

/** What a repository rests on, for counting kinds of storage and places. */
export interface StoragePlace {
  /** `path`, `removable`, or the scheme of its location. */
  readonly kind: string;
  /** As configured, else this machine, the server's host, or the provider with its region. */
  readonly site: string;
}

/** Names under which a machine knows itself. */
const ownNames = /^(?:localhost|127(?:\.\d+){3}|\[?::1\]?)$/;

type Configured = Pick<RepositoryConfiguration, 'location' | 'options' | 'site' | 'removable'>;

/** @param here the site of this machine. */
export function storagePlaceOf(
  { location, options, site, removable }: Configured,
  here: string,
): StoragePlace {
  const scheme = isLocal(location) ? 'path' : (schemeOf(location) ?? 'path');
  return { kind: removable ? 'removable' : scheme, site: site ?? siteOf(scheme, location, options, here) };
}

function siteOf(scheme: string, location: string, options: Configured['options'], here: string): string {
  const host = (name: string): string => (ownNames.test(name) ? here : name);
  switch (scheme) {
    case 'path':
      return here;
    case 'sftp':
      return host(parseSftpLocation(location).host);
    case 'rest':
      return host(parseRestLocation(location).url.hostname);
    case 's3': {
      const { endpoint, region: told, isAws } = parseS3Location(location);
      const region = options['s3.region'] ?? told;
      // One provider in one region is one place, however many buckets.
      const provider = isAws || endpoint === null ? 'aws' : host(new URL(endpoint).hostname);
      return region && provider !== here ? `${provider} ${region}` : provider;
    }
    default:
      return scheme;
  }
}
