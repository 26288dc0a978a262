import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { findIdentities } from './identities.ts';
import {
  fingerprint,
  hostKeyAlgorithms,
  judgeHostKey,
  keyType,
  knownHostsName,
  readKnownHosts,
} from './known-hosts.ts';
import { type SshHost, type SshOptions, type SshTargetSettings, sshTarget } from './target.ts';

/** Connections to SSH servers (RFC 4251 and following) by ssh2, which is loaded with the first one. */

export interface SshConnection {
  /** `user@host`, for messages. */
  readonly name: string;
  readonly client: Client;
  /** Resolves when the connection is gone, with why. */
  readonly lost: Promise<Error>;
  close(): void;
}

const connectTimeoutMs = 20_000;
/** A server that does not answer three of these is gone. */
const keepaliveMs = 15_000;
const keepalivesMissedMax = 3;

/**
 * Connects and logs in, by way of the jump hosts that the configuration of SSH names. Every host must present a key
 * that known_hosts has.
 *
 * @throws LifeboatError `ssh-settings`, `ssh-host-unknown`, `ssh-host-changed`, `ssh-login-refused`,
 * `storage-unreachable`, `secret-missing`.
 */
export async function connectSsh(host: SshHost, options: SshOptions): Promise<SshConnection> {
  const target = sshTarget(host, options);
  const opened: SshConnection[] = [];
  try {
    let through: SshConnection | null = null;
    // What is named for the host itself is not for those on the way.
    const onTheWay: SshOptions = { ...options, keyFile: null };
    for (const jump of target.jumps) {
      through = await connectOne(sshTarget(jump, onTheWay, true), onTheWay, through);
      opened.push(through);
    }
    const connection = await connectOne(target, options, through);
    const closeJumps = (): void => {
      for (const jump of opened.toReversed()) jump.close();
    };
    connection.lost.then(closeJumps);
    return connection;
  } catch (error) {
    for (const jump of opened.toReversed()) jump.close();
    throw error;
  }
}

async function connectOne(
  target: SshTargetSettings,
  options: SshOptions,
  through: SshConnection | null,
): Promise<SshConnection> {
  const ssh2 = (await import('ssh2')).default;
  const trusted = readKnownHosts(target.knownHostsFiles);
  const alias = { name: target.keyAlias, port: target.aliasGiven ? null : target.port };
  const { methods, told } = await findIdentities(ssh2, target, options);
  const sock = through ? await forward(through, target) : await dial(target);
  const client = new ssh2.Client();
  let refusal: LifeboatError | null = null;
  return new Promise((resolve, reject) => {
    let ready = false;
    let reason: Error | null = null;
    const { promise: lost, resolve: lose } = Promise.withResolvers<Error>();
    client.on('error', (error) => {
      // The agent is one way of several to log in.
      if (error.level === 'agent') return;
      reason ??= error;
      if (!ready) {
        reject(refusal ?? connectFailure(target, error, told));
        client.destroy();
        sock.destroy();
      }
    });
    client.on('close', () => {
      sock.destroy();
      const why = reason ?? new Error('the connection was closed');
      if (ready) lose(why);
      else reject(refusal ?? connectFailure(target, why, told));
    });
    client.on('ready', () => {
      ready = true;
      resolve({
        name: target.name,
        client,
        lost,
        close() {
          client.end();
          sock.destroy();
        },
      });
    });
    client.connect({
      sock,
      username: target.user,
      // Asking without any key first would cost a round trip.
      authHandler: methods.length > 0 ? methods : [{ type: 'none', username: target.user }],
      hostVerifier(key) {
        refusal = hostKeyRefusal(target, judgeHostKey(trusted, alias, key), key, knownHostsName(alias));
        return refusal === null;
      },
      readyTimeout: connectTimeoutMs,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: keepalivesMissedMax,
      algorithms: { serverHostKey: hostKeyAlgorithms(trusted, alias) },
    });
  });
}

function unreachable(target: SshTargetSettings, error: unknown): LifeboatError {
  const errno = errnoOf(error);
  const why = errno === 'ENOTFOUND' ? 'there is no host of this name' : messageOf(error);
  return new LifeboatError('storage-unreachable', `cannot reach ${target.name}: ${why}`, { cause: error });
}

function dial(target: SshTargetSettings): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: target.host, port: target.port, noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer within ${connectTimeoutMs / 1000} s`)),
      connectTimeoutMs,
    );
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(unreachable(target, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

function forward(through: SshConnection, target: SshTargetSettings): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    through.lost.then((error) => reject(unreachable(target, error)));
    through.client.forwardOut('127.0.0.1', 0, target.host, target.port, (error, stream) => {
      if (error) reject(unreachable(target, new Error(`${through.name} says: ${error.message}`)));
      else resolve(stream);
    });
  });
}

function connectFailure(
  target: SshTargetSettings,
  error: Error & { level?: string },
  told: string,
): LifeboatError {
  if (error.level === 'client-authentication')
    return new LifeboatError(
      'ssh-login-refused',
      `${target.name} lets nobody in with what there is: ${told}`,
      {
        cause: error,
      },
    );
  return unreachable(target, error);
}

/** Why a server is not trusted, or null where it is. */
function hostKeyRefusal(
  target: SshTargetSettings,
  verdict: ReturnType<typeof judgeHostKey>,
  key: Buffer,
  name: string,
): LifeboatError | null {
  const shown = `${keyType(key)} ${fingerprint(key)}`;
  const port = target.port === 22 ? '' : ` -p ${target.port}`;
  if (verdict.kind === 'unknown') {
    return new LifeboatError(
      'ssh-host-unknown',
      `${target.name} presents a host key that is not known: ${shown}`,
      {
        hint:
          'compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server; ' +
          `if they agree, run \`ssh-keyscan${port} ${target.host} >> ${target.knownHostsFiles[0] ?? '~/.ssh/known_hosts'}\``,
      },
    );
  }
  if (verdict.kind === 'changed') {
    return new LifeboatError(
      'ssh-host-changed',
      `the host key of ${target.name} is another than the one in ${verdict.where}: it presents ${shown}`,
      {
        hint:
          'somebody may be listening in; if the server was set up anew, compare the key on the server itself, ' +
          `then remove the old one with \`ssh-keygen -R '${name}'\``,
      },
    );
  }
  if (verdict.kind === 'revoked') {
    return new LifeboatError(
      'ssh-host-changed',
      `${target.name} presents a host key that is revoked in ${verdict.where}: ${shown}`,
      { hint: 'do not connect; ask whoever runs the server for its new key' },
    );
  }
  return null;
}
