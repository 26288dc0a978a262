import { hasCode, LifeboatError } from '../../../core/errors.ts';
import { type Lsn, parseHistory, type Timeline } from '../../../model/wal.ts';
import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import {
  openReplication,
  type ReplicationSession,
  type SlotPosition,
} from '../../../sources/postgres/replication/session.ts';
import type { ServerTimeline } from './plan-start.ts';

/** A server that was asked everything that receiving needs to know. */
export interface KnownServer {
  readonly session: ReplicationSession;
  readonly systemIdentifier: string;
  readonly timeline: ServerTimeline;
  /** History files of the server's timeline and of its ancestors, as far as it has them. */
  readonly histories: readonly { readonly timeline: Timeline; readonly content: Buffer }[];
  readonly flushed: Lsn;
  readonly unitBytes: number;
  readonly blockBytes: number;
  /** What its primary has written meanwhile, a standby does not know. */
  readonly isStandby: boolean;
}

/**
 * As SHOW prints sizes, such as `16MB`.
 * @throws LifeboatError `database-failed`
 */
export function parseSize(text: string): number {
  const match = /^(\d+)(B|kB|MB|GB)?$/.exec(text);
  const factor = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[match?.[2] ?? 'B'];
  if (!match || factor === undefined) {
    throw new LifeboatError('database-failed', `the server named the size "${text}"`);
  }
  return Number(match[1]) * factor;
}

/** Logs in and asks. @throws LifeboatError as `openReplication` */
export async function meetServer(
  settings: ConnectionSettings,
  applicationName: string,
): Promise<KnownServer> {
  const session = await openReplication(settings, { applicationName });
  try {
    const { systemIdentifier, timeline, flushed } = await session.identifySystem();
    const histories = await readHistories(session, timeline);
    const own = histories.find((each) => each.timeline === timeline);
    return {
      session,
      systemIdentifier,
      timeline: { timeline, switches: own ? (parseHistory(own.content.toString('utf8')) ?? []) : [] },
      histories,
      flushed,
      unitBytes: parseSize(await session.show('wal_segment_size')),
      blockBytes: parseSize(await session.show('wal_block_size')),
      isStandby: await isStandby(session),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** A transaction is read-only from its beginning where the server is in recovery (StartTransaction in xact.c). */
export async function isStandby(session: ReplicationSession): Promise<boolean> {
  return (await session.show('transaction_read_only')) === 'on';
}

async function readHistories(
  session: ReplicationSession,
  newest: Timeline,
): Promise<{ timeline: Timeline; content: Buffer }[]> {
  const found: { timeline: Timeline; content: Buffer }[] = [];
  if (newest === 1) return found;
  const { content } = await session.timelineHistory(newest);
  found.push({ timeline: newest, content });
  for (const { timeline } of parseHistory(content.toString('utf8')) ?? []) {
    if (timeline === 1) continue;
    try {
      found.push({ timeline, content: (await session.timelineHistory(timeline)).content });
    } catch (error) {
      // The newest one names all ancestors; a server that was copied may lack their own files.
      if (!hasCode(error, 'wal-removed', 'database-failed')) throw error;
    }
  }
  return found;
}

/** Makes the slot where it is missing or was invalidated. @returns where it begins, and whether it is new. */
export async function ensureSlot(
  session: ReplicationSession,
  slot: string,
): Promise<{ readonly position: SlotPosition; readonly created: boolean }> {
  const found = await session.readSlot(slot);
  if (found && found.restart !== null) return { position: found, created: false };
  // Without a position it keeps nothing: it was made without reserving, or the server has given it up.
  if (found) await session.dropSlot(slot);
  await session.createPhysicalSlot(slot, { temporary: false, reserve: true });
  const made = await session.readSlot(slot);
  if (made === null || made.restart === null) {
    throw new LifeboatError(
      'slot-missing',
      `the server made the replication slot ${slot}, but it is not there`,
    );
  }
  return { position: made, created: true };
}
