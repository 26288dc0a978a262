import type { RetryOptions } from '../storage/layers/retry.ts';
import { parseRestLocation, type RestLocation } from '../storage/rest/location.ts';
import { type RestSettings, restConnectionsDefault } from '../storage/rest/rest.ts';
import { optionsOf, type StorageAccess, wholeFrom } from './storage-access.ts';
import { anyText, givenTls, secretOption, triesOptionTable } from './storage-option-values.ts';

/** Options of repositories on REST servers, as `-o rest.KEY=VALUE`. */
export const restOptionTable = {
  connections: wholeFrom(1),
  user: anyText,
  /** Reference to the password. */
  password: anyText,
  ...triesOptionTable,
} as const;

export interface RestOpening {
  readonly location: RestLocation;
  readonly settings: RestSettings;
  readonly tries: RetryOptions;
}

/** @throws LifeboatError `usage`. */
export function restOpening(location: string, access: StorageAccess): RestOpening {
  const options = optionsOf('rest', restOptionTable, access);
  const place = parseRestLocation(location);
  return {
    location: place,
    settings: {
      ...loginOf(place, options, access),
      ...givenTls(access),
      connections: options.connections ?? restConnectionsDefault,
      stuckMs: access.stuckMs,
      userAgent: access.userAgent,
    },
    tries: { attemptsMax: options.retries, ceilingMs: options['retry-for'] },
  };
}

/** As restic: the variables count where the location has neither user nor password. Options come before both. */
function loginOf(
  { user, password }: RestLocation,
  options: { readonly user?: string; readonly password?: string },
  access: StorageAccess,
): Pick<RestSettings, 'user' | 'password'> {
  const { env } = access;
  const plain = (text: string | undefined | null): RestSettings['password'] => {
    if (!text) return null;
    access.hide?.(text);
    return async () => text;
  };
  const inLocation = user !== null || password !== null;
  const login = inLocation
    ? { user, password: plain(password) }
    : {
        user: env.LIFEBOAT_REST_USERNAME || env.RESTIC_REST_USERNAME || null,
        password: plain(env.LIFEBOAT_REST_PASSWORD || env.RESTIC_REST_PASSWORD),
      };
  return {
    user: options.user ?? login.user,
    password:
      options.password === undefined
        ? login.password
        : secretOption('rest.password', options.password, access),
  };
}
