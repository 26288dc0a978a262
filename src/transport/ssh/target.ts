import { userInfo } from 'node:os';
import { join } from 'node:path';
import { LifeboatError } from '../../core/errors.ts';
import { type HostKeywords, readSshConfig } from './ssh-config.ts';

/** Where an SSH server is and how to log in there, from what the user gave and from ssh_config(5). */

/** A host as a location names it; null: as the configuration of SSH says. */
export interface SshHost {
  readonly host: string;
  readonly user: string | null;
  readonly port: number | null;
}

export interface SshOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Private key to use instead of those of the configuration of SSH; null for those. */
  readonly keyFile: string | null;
  /** Asked for once a key turns out to be encrypted. */
  readonly passphrase: (() => Promise<string>) | null;
  /** Files of known_hosts instead of those of the configuration of SSH; null for those. */
  readonly knownHostsFile: string | null;
  /** ssh_config to read instead of the user's and the system's; null for those. */
  readonly configFile: string | null;
}

export interface SshTargetSettings {
  /** As the user gave it, with what messages need: `user@host` or `user@host:port`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Host keys are looked up under this name. */
  readonly keyAlias: string;
  /** Whether `keyAlias` stands for host and port together. */
  readonly aliasGiven: boolean;
  readonly identityFiles: readonly string[];
  /** Whether a missing identity file is an error: it was named by the user of Lifeboat. */
  readonly identityRequired: boolean;
  readonly identitiesOnly: boolean;
  /** Socket of the agent, or null for none. */
  readonly agent: string | null;
  readonly knownHostsFiles: readonly string[];
  /** Hosts to go through, nearest first. */
  readonly jumps: readonly SshHost[];
}

const sshPort = 22;
const defaultKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** @throws LifeboatError `ssh-settings` for settings that cannot be understood or obeyed. */
export function sshTarget(given: SshHost, options: SshOptions, jumped = false): SshTargetSettings {
  const { env } = options;
  const local = userInfo();
  const home = env.HOME ?? local.homedir;
  const files =
    options.configFile === null
      ? [join(home, '.ssh', 'config'), '/etc/ssh/ssh_config']
      : [options.configFile];
  const asked = { host: given.host, user: given.user, localUser: local.username };
  const found = readSshConfig(files, asked, home);
  const one = (keyword: string): string | null => found.first.get(keyword)?.[0] ?? null;

  const host = (one('hostname') ?? '%h').replace(/%[%h]/g, (token) => (token === '%h' ? given.host : '%'));
  const port = given.port ?? portOf(one('port') ?? String(sshPort));
  const user = given.user ?? one('user') ?? local.username;
  const expand = (path: string): string => expandPath(path, { env, home, host, port, user, original: given });
  const alias = one('hostkeyalias');
  if (
    one('proxycommand') !== null &&
    one('proxycommand')?.toLowerCase() !== 'none' &&
    one('proxyjump') === null
  ) {
    throw new LifeboatError('ssh-settings', `the SSH configuration has a ProxyCommand for ${given.host}`, {
      hint: 'use ProxyJump instead, or name a configuration of its own for this host',
    });
  }
  return {
    name: `${user}@${given.host}${port === sshPort ? '' : `:${port}`}`,
    host,
    port,
    user,
    keyAlias: (alias ?? host).toLowerCase(),
    aliasGiven: alias !== null,
    identityFiles: (options.keyFile !== null ? [options.keyFile] : identityFilesOf(found)).map(expand),
    identityRequired: options.keyFile !== null,
    identitiesOnly: options.keyFile !== null || one('identitiesonly')?.toLowerCase() === 'yes',
    agent: agentOf(one('identityagent'), env, expand),
    knownHostsFiles: knownHostsOf(found, options.knownHostsFile).map(expand),
    jumps: jumped ? [] : jumpsOf(one('proxyjump')),
  };
}

function identityFilesOf({ identityFiles }: HostKeywords): readonly string[] {
  const given = identityFiles.filter((file) => file.toLowerCase() !== 'none');
  return identityFiles.length > 0 ? given : defaultKeys.map((name) => `~/.ssh/${name}`);
}

function agentOf(
  given: string | null,
  env: SshOptions['env'],
  expand: (path: string) => string,
): string | null {
  if (given?.toLowerCase() === 'none') return null;
  if (given === null || given === 'SSH_AUTH_SOCK') return env.SSH_AUTH_SOCK || null;
  return given.startsWith('$') ? env[given.slice(1)] || null : expand(given);
}

function knownHostsOf({ first }: HostKeywords, given: string | null): readonly string[] {
  if (given !== null) return [given];
  return [
    ...(first.get('userknownhostsfile') ?? ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
    ...(first.get('globalknownhostsfile') ?? ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
  ];
}

/** `user@host:port,[::1]:2222,ssh://host` (ssh_config(5), "ProxyJump"). */
function jumpsOf(given: string | null): SshHost[] {
  if (given === null || given.toLowerCase() === 'none') return [];
  return given.split(',').map((part) => {
    const match = /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:@]+))(?::(\d+))?\/?$/.exec(part.trim());
    if (!match)
      throw new LifeboatError('ssh-settings', `the jump host ${JSON.stringify(part)} cannot be understood`);
    return {
      host: match[2] ?? match[3]!,
      user: match[1] ?? null,
      port: match[4] === undefined ? null : portOf(match[4]),
    };
  });
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new LifeboatError('ssh-settings', `${JSON.stringify(text)} is no port`);
}

interface Tokens {
  readonly env: SshOptions['env'];
  readonly home: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly original: SshHost;
}

/** `~`, `${NAME}` and the tokens of ssh_config(5). */
function expandPath(path: string, { env, home, host, port, user, original }: Tokens): string {
  const tokens: Readonly<Record<string, string>> = {
    '%%': '%',
    '%d': home,
    '%h': host,
    '%n': original.host,
    '%p': String(port),
    '%r': user,
    '%u': userInfo().username,
  };
  return path
    .replace(/^~(?=\/|$)/, () => home)
    .replace(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? '')
    .replace(/%./g, (token) => tokens[token] ?? token);
}
