import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../core/errors.ts';
import type { SshConnection } from '../../transport/ssh/connect.ts';
import { ConnectionLost, type SftpSession, sftpSession } from './session.ts';

/**
 * Several SFTP channels over one connection: the server runs a process for each, so one that waits for its disk
 * does not hold up the others. What was under way when the connection broke is done again over a new one.
 */
export interface SftpChannels {
  /**
   * @param work may be called again, `attempt` counting from 1, when the connection broke during it.
   * @throws LifeboatError of connecting; `storage-unreachable` where the connection broke each time; what `work` throws.
   */
  use<T>(work: (session: SftpSession, attempt: number) => Promise<T>): Promise<T>;
  close(): void;
}

/** Waits before the connection is made anew; there are as many attempts after the first. */
const reconnectAfterMs = [0, 500, 2000] as const;
const channelTimeoutMs = 30_000;

interface Channel {
  readonly session: SftpSession;
  /** Who works with it now. */
  users: number;
}

interface Link {
  readonly connection: SshConnection;
  /** Opened one by one, as there is work for them. */
  readonly channels: Channel[];
  /** One channel that is being opened. */
  opening: Promise<void> | null;
  /** The server lets no more be opened. */
  limited: boolean;
  gone: boolean;
}

/** @param connect makes a new connection. */
export function sftpChannels(connect: () => Promise<SshConnection>, channelsMax: number): SftpChannels {
  let link: Promise<Link> | null = null;
  let closed = false;

  function currentLink(): Promise<Link> {
    if (link) return link;
    const made = connect().then((connection): Link => {
      const fresh: Link = { connection, channels: [], opening: null, limited: false, gone: false };
      connection.lost.then(() => {
        fresh.gone = true;
        if (link === made) link = null;
      });
      if (closed) connection.close();
      return fresh;
    });
    made.catch(() => {
      if (link === made) link = null;
    });
    link = made;
    return made;
  }

  /** Chooses the channel with the fewest users, of whom the caller is one from now on. */
  async function join(found: Link): Promise<Channel> {
    for (;;) {
      if (found.gone) throw new ConnectionLost('the connection is gone');
      const open = found.channels.filter(({ session }) => !session.gone);
      const best = open.length > 0 ? open.reduce((a, b) => (b.users < a.users ? b : a)) : null;
      if (best?.users !== 0 && !found.limited && open.length < channelsMax) found.opening ??= grow(found);
      if (best) {
        best.users++;
        return best;
      }
      if (!found.opening)
        throw new LifeboatError('storage-unreachable', `${found.connection.name} opens no channel`);
      await found.opening;
    }
  }

  /** Only the first channel of a connection has to come about; servers limit how many there may be. */
  function grow(found: Link): Promise<void> {
    const opening = openSession(found.connection).then(
      (session) => {
        found.opening = null;
        found.channels.push({ session, users: 0 });
      },
      (error) => {
        found.opening = null;
        found.limited = true;
        throw error;
      },
    );
    opening.catch(() => undefined); // whoever needs it awaits it
    return opening;
  }

  return {
    async use(work) {
      for (let attempt = 1; ; attempt++) {
        const delayMs = reconnectAfterMs[attempt - 1];
        let channel: Channel | null = null;
        try {
          channel = await join(await currentLink());
          return await work(channel.session, attempt);
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
          if (closed || delayMs === undefined) {
            throw new LifeboatError('storage-unreachable', `the connection broke: ${error.message}`, {
              cause: error,
            });
          }
          await sleep(delayMs);
        } finally {
          if (channel) channel.users--;
        }
      }
    },
    close() {
      closed = true;
      link?.then(({ connection }) => connection.close()).catch(() => undefined); // there is nothing to close
    },
  };
}

function openSession(connection: SshConnection): Promise<SftpSession> {
  return new Promise((resolve, reject) => {
    const refused = (why: string): LifeboatError =>
      new LifeboatError('storage-unreachable', `${connection.name} has no SFTP: ${why}`, {
        hint: 'check that the SSH server offers the subsystem sftp to this account',
      });
    const timer = setTimeout(() => reject(refused('no answer')), channelTimeoutMs);
    connection.lost.then((error) => {
      clearTimeout(timer);
      reject(new ConnectionLost(error.message));
    });
    connection.client.sftp((error, sftp) => {
      clearTimeout(timer);
      if (error) reject(refused(error.message));
      else resolve(sftpSession(sftp, connection.lost));
    });
  });
}
