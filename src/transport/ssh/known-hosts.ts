import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { matchesPatterns } from './ssh-config.ts';

/** Keys of hosts that the user trusts: files of known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */

export interface KnownHostKey {
  readonly marker: 'cert-authority' | 'revoked' | null;
  /** Patterns separated by commas, or one hashed name. */
  readonly hosts: string;
  /** Type and key as an SSH server presents it. */
  readonly blob: Buffer;
  /** `FILE:LINE`. */
  readonly where: string;
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  /** Other keys of this host are known. */
  | { readonly kind: 'changed'; readonly where: string }
  | { readonly kind: 'revoked'; readonly where: string };

/** Under which name a host's keys stand. */
export interface HostName {
  readonly name: string;
  /** null where the name stands for host and port (HostKeyAlias). */
  readonly port: number | null;
}

/**
 * Reads files that may not exist. Lines that cannot be understood are skipped, as OpenSSH does: they trust nobody.
 * @throws LifeboatError `ssh-settings` for a file that cannot be read.
 */
export function readKnownHosts(files: readonly string[]): KnownHostKey[] {
  return files.flatMap((file) => {
    try {
      return parseKnownHosts(readFileSync(file, 'utf8'), file);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
      throw new LifeboatError('ssh-settings', `cannot read the known hosts in ${file}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  });
}

export function parseKnownHosts(text: string, file: string): KnownHostKey[] {
  const keys: KnownHostKey[] = [];
  for (const [n, line] of text.split('\n').entries()) {
    const match =
      /^\s*(?:@(cert-authority|revoked)\s+)?([^\s#@]\S*)\s+(\S+)\s+([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(line);
    if (!match) continue;
    const blob = Buffer.from(match[4]!, 'base64');
    if (keyType(blob) !== match[3]) continue;
    const marker = (match[1] ?? null) as KnownHostKey['marker'];
    keys.push({ marker, hosts: match[2]!, blob, where: `${file}:${n + 1}` });
  }
  return keys;
}

/** The type that stands in front of a key (RFC 4253, section 6.6), or '' where there is none. */
export function keyType(blob: Buffer): string {
  if (blob.length < 4) return '';
  const length = blob.readUInt32BE(0);
  return length <= blob.length - 4 ? blob.toString('latin1', 4, 4 + length) : '';
}

/** `SHA256:…` as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** How the name of a host stands in a file: `host`, or `[host]:port`. */
export function knownHostsName({ name, port }: HostName): string {
  return port === null || port === 22 ? name : `[${name}]:${port}`;
}

function names(hosts: string, name: string): boolean {
  const hashed = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts);
  if (!hashed) return matchesPatterns(hosts.split(','), name);
  const expected = Buffer.from(hashed[2]!, 'base64');
  const digest = createHmac('sha1', Buffer.from(hashed[1]!, 'base64')).update(name).digest();
  return expected.length === digest.length && timingSafeEqual(expected, digest);
}

/**
 * Whether a host may present this key. A key under the bare name of a host counts for its other ports, too, where
 * nothing is known of the port itself, as with OpenSSH.
 */
export function judgeHostKey(
  keys: readonly KnownHostKey[],
  host: HostName,
  presented: Buffer,
): HostKeyVerdict {
  const revoked = keys.find(
    ({ marker, hosts, blob }) =>
      marker === 'revoked' &&
      blob.equals(presented) &&
      [knownHostsName(host), host.name].some((name) => names(hosts, name)),
  );
  if (revoked) return { kind: 'revoked', where: revoked.where };
  const own = keysOf(keys, knownHostsName(host));
  const bare = own.length === 0 ? keysOf(keys, host.name) : [];
  if ([...own, ...bare].some(({ blob }) => blob.equals(presented))) return { kind: 'known' };
  return own[0] ? { kind: 'changed', where: own[0].where } : { kind: 'unknown' };
}

function keysOf(keys: readonly KnownHostKey[], name: string): KnownHostKey[] {
  return keys.filter(({ marker, hosts }) => marker === null && names(hosts, name));
}

const algorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Algorithms to ask a host for, those first whose keys are known: else it presents a key that nobody knows. */
export function hostKeyAlgorithms(keys: readonly KnownHostKey[], host: HostName): string[] {
  const own = keysOf(keys, knownHostsName(host));
  const types = new Set((own.length > 0 ? own : keysOf(keys, host.name)).map(({ blob }) => keyType(blob)));
  const known = (algorithm: string): boolean =>
    types.has(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm);
  return [...algorithms.filter(known), ...algorithms.filter((algorithm) => !known(algorithm))];
}
