import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalPlace } from '../../../journal/envelope.ts';
import type { JournalStream } from '../../../model/journal.ts';
import { segmentAt, segmentName } from '../../../model/wal.ts';
import type { WalSink } from '../../../model/wal-event.ts';
import { readServerFacts } from '../../../sources/postgres/connection/server.ts';
import { openSqlSession, type SqlSession } from '../../../sources/postgres/connection/session.ts';
import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import { pageFlags } from '../../../sources/postgres/wal/page-header.ts';
import { createWalScanner } from '../../../sources/postgres/wal/scanner.ts';
import { beat, type ReceivedEnd, readServerEnd, type ServerEnd } from '../receive/heartbeat.ts';
import { listReady } from './ready-files.ts';

/**
 * Heartbeats of a server whose log arrives in whole segments. A server that does nothing has ended a segment, by its
 * archive_timeout, and writes to the next one only what no transaction needs: where the log up to that boundary is
 * archived, it is whole until now.
 */

export interface ArchiveHeartOptions {
  readonly settings: ConnectionSettings;
  readonly dataDirectory: string;
  readonly places: readonly JournalPlace[];
  readonly stream: JournalStream;
  readonly signal: AbortSignal;
  readonly sink: WalSink;
  /** How often the server is looked at, and how long it must not have moved; for tests. */
  readonly timing?: { readonly everyMs: number; readonly settleMs: number };
}

const usualTiming = { everyMs: 10_000, settleMs: 1000 };
const againAfterMs = 10_000;

/** Beats until the signal aborts, also while the server is down at times; ends early where the role may not ask. */
export async function beatForArchive(options: ArchiveHeartOptions): Promise<void> {
  const { signal } = options;
  while (!signal.aborted) {
    try {
      const session = await openSqlSession(options.settings, { signal, applicationName: 'lifeboat' });
      try {
        await beatWith(session, options);
      } finally {
        await session.close();
      }
    } catch {
      // Whoever archives tells of a server that is down; without heartbeats the log is known whole up to its end.
      await sleep(againAfterMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }
}

async function beatWith(session: SqlSession, options: ArchiveHeartOptions): Promise<void> {
  const { places, stream, signal, sink, timing = usualTiming, dataDirectory } = options;
  const { segmentBytes, blockBytes } = await readServerFacts(session);
  const sizes = { unitBytes: segmentBytes, blockBytes };
  let archived: ReceivedEnd | null = null;

  async function ask(): Promise<ServerEnd | null> {
    archived = null;
    const seen = await readServerEnd(session, sizes);
    if (!seen || (await listReady(dataDirectory)).length > 0) return null;
    const boundary = seen.end - (seen.end % BigInt(segmentBytes));
    if (!(await nothingEndedSince(dataDirectory, seen, boundary, sizes))) return null;
    archived = {
      timeline: seen.timeline,
      position: boundary,
      durableIn: places.map(() => ({ durable: boundary })),
    };
    return { ...seen, end: boundary };
  }

  await beat({ places, stream, ask, received: () => archived, ...timing, signal, sink });
}

/**
 * Whether the segment that is being written holds no end of a transaction: neither whole nor begun in the one before.
 * False also where not all of it is in the file yet.
 */
async function nothingEndedSince(
  dataDirectory: string,
  { timeline, end }: ServerEnd,
  boundary: bigint,
  { unitBytes, blockBytes }: { readonly unitBytes: number; readonly blockBytes: number },
): Promise<boolean> {
  if (end === boundary) return true;
  const name = segmentName(segmentAt(timeline, boundary, unitBytes), unitBytes);
  const bytes = Buffer.alloc(Number(end - boundary));
  const file = await open(join(dataDirectory, 'pg_wal', name));
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead < bytes.length) return false;
  } finally {
    await file.close();
  }
  if ((bytes.readUInt16LE(2) & pageFlags.continues) !== 0) return false;
  const scanner = createWalScanner({ segmentBytes: unitBytes, blockBytes });
  const marks = scanner.feed(boundary, bytes);
  return marks.length === 0 && scanner.recordsEnd === end;
}
