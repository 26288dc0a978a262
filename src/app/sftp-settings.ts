import type { RetryOptions } from '../storage/layers/retry.ts';
import { parseSftpLocation, type SftpLocation } from '../storage/sftp/location.ts';
import { type SftpOptions, sftpConnectionsDefault } from '../storage/sftp/sftp.ts';
import { optionsOf, type StorageAccess, wholeFrom } from './storage-access.ts';
import { anyText, secretOption, triesOptionTable } from './storage-option-values.ts';

/** Options of repositories on SSH servers, as `-o sftp.KEY=VALUE`. */
export const sftpOptionTable = {
  connections: wholeFrom(1),
  /** File of a private key. */
  key: anyText,
  /** Reference to its passphrase. */
  'key-passphrase': anyText,
  /** File of known hosts in place of the user's and the system's. */
  'known-hosts': anyText,
  /** An ssh_config in place of the user's and the system's. */
  config: anyText,
  ...triesOptionTable,
} as const;

export interface SftpOpening {
  readonly location: SftpLocation;
  readonly options: SftpOptions;
  readonly tries: RetryOptions;
}

/** @throws LifeboatError `usage`. */
export function sftpOpening(location: string, access: StorageAccess): SftpOpening {
  const { env } = access;
  const options = optionsOf('sftp', sftpOptionTable, access);
  const fromVariable = env.LIFEBOAT_SFTP_KEY_PASSPHRASE ? 'env:LIFEBOAT_SFTP_KEY_PASSPHRASE' : null;
  const passphrase = options['key-passphrase'] ?? fromVariable;
  return {
    location: parseSftpLocation(location),
    options: {
      env,
      keyFile: options.key ?? (env.LIFEBOAT_SFTP_KEY || null),
      passphrase: passphrase === null ? null : secretOption('sftp.key-passphrase', passphrase, access),
      knownHostsFile: options['known-hosts'] ?? (env.LIFEBOAT_SFTP_KNOWN_HOSTS || null),
      configFile: options.config ?? (env.LIFEBOAT_SFTP_CONFIG || null),
      connections: options.connections ?? sftpConnectionsDefault,
    },
    tries: { attemptsMax: options.retries, ceilingMs: options['retry-for'] },
  };
}
