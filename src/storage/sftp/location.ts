import { posix } from 'node:path';
import { LifeboatError } from '../../core/errors.ts';
import type { SshHost } from '../../transport/ssh/target.ts';

/** Where a repository is on an SSH server. */
export interface SftpLocation extends SshHost {
  /** Absolute, or below the folder in which a login begins. */
  readonly path: string;
}

/**
 * `sftp:user@host:/path` (relative without the slash) or `sftp://user@host:port/path`, in which a path is absolute
 * with two slashes: both as restic reads them.
 * @throws LifeboatError `usage`.
 */
export function parseSftpLocation(location: string): SftpLocation {
  const parsed = location.startsWith('sftp://') ? fromUrl(location) : fromScp(location);
  const path = posix.normalize(parsed.path === '' ? '.' : parsed.path).replace(/(?<=.)\/$/, '');
  if (path.startsWith('~')) {
    throw invalid(
      location,
      'a path with ~ is not understood by most servers',
      'leave the ~/ away: paths begin there',
    );
  }
  if (parsed.host === '' || /[\s/]/.test(parsed.host))
    throw invalid(location, 'the host is missing or no name');
  return { ...parsed, path };
}

function fromScp(location: string): SftpLocation {
  const match = /^sftp:(?:(.+)@)?(?:\[([^\]]+)\]|([^:@]+)):(.*)$/s.exec(location);
  if (!match) throw invalid(location, 'host and path are expected');
  return { user: match[1] ?? null, host: match[2] ?? match[3]!, port: null, path: match[4]! };
}

function fromUrl(location: string): SftpLocation {
  let url: URL;
  try {
    url = new URL(location);
  } catch {
    throw invalid(location, 'it is no URL');
  }
  if (url.password !== '')
    throw invalid(location, 'it has a password', 'log in with a key: passwords are not used for SSH');
  if (url.pathname === '') throw invalid(location, 'the path is missing');
  return {
    user: url.username === '' ? null : decodeURIComponent(url.username),
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? null : Number(url.port),
    path: decodeURIComponent(url.pathname.slice(1)),
  };
}

function invalid(location: string, why: string, hint?: string): LifeboatError {
  const shown = location.replace(/^(sftp:\/\/[^/@:]*):[^/]*@/, '$1:***@');
  return new LifeboatError('usage', `the location ${shown} cannot be used: ${why}`, {
    hint: hint ?? 'write sftp:user@host:/path or sftp://user@host:port//path',
  });
}

/** How a location is shown and given back: it holds no secret. */
export function formatSftpLocation({ user, host, port, path }: SftpLocation): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  const login = user === null ? bracketed : `${user}@${bracketed}`;
  if (port === null) return `sftp:${login}:${path}`;
  const encoded = user === null ? bracketed : `${encodeURIComponent(user)}@${bracketed}`;
  return `sftp://${encoded}:${port}/${path.split('/').map(encodeURIComponent).join('/')}`;
}
