import { type ByteString, bytesOfText, toText } from '../../../core/bytestring.ts';
import { LifeboatError } from '../../../core/errors.ts';
import type { PhysicalManifest } from '../../../model/postgres-manifest.ts';
import type { Chunking, EntryRun, SourceEntry } from '../../../model/source-entry.ts';
import {
  type Lsn,
  segmentAt,
  segmentBefore,
  segmentName,
  segmentStart,
  type Timeline,
} from '../../../model/wal.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import { openReplication, type ReplicationSession } from '../replication/session.ts';
import { parseBackupLabel } from './backup-label.ts';
import { chunkBytesFor } from './chunk-size.ts';
import { isWholeControlFile } from './control-file.ts';
import { relationFile } from './exclusions.ts';
import { type LogPiece, LogReader } from './log-reader.ts';
import { manifestEntry, manifestOf, smallFile } from './manifest.ts';
import type { PhysicalBackupOptions } from './options.ts';
import { blocksPerFile, listDatabases, serverTime } from './server-queries.ts';
import { controlFile } from './walk.ts';

const walChunking: Chunking = { kind: 'pages', chunkBytes: 1024 * 1024, pageBytes: 8192, check: null };
const contentDefined: Chunking = { kind: 'content-defined' };
/** Files that this program has to understand are kept whole in memory. */
const smallFileBytesMax = 64 * 1024;

/**
 * The entries of a physical backup that the server streams (protocol documentation, BASE_BACKUP). Nothing touches a
 * disk here. A temporary slot of a second connection keeps the WAL of the backup on the server until it is fetched
 * at the end.
 */
export async function* remoteEntries(
  options: PhysicalBackupOptions,
  session: SqlSession,
  server: ServerFacts,
  run: EntryRun,
  done: (manifest: PhysicalManifest) => void,
): AsyncGenerator<SourceEntry> {
  await options.archiving?.prove(session, server);
  const log = await openReplication(options.settings, {
    signal: options.signal,
    applicationName: 'lifeboat backup log',
  });
  try {
    const slot = `lifeboat_backup_${process.pid}`;
    await log.createPhysicalSlot(slot, { temporary: true, reserve: true });
    const startTime = await serverTime(session);
    const copied = yield* copyFiles(options, session, server, run);
    const { label, stop } = copied;
    const stopTime = await serverTime(session);
    yield* logEntries(
      options.source,
      log,
      slot,
      label.timeline,
      label.start,
      stop,
      server.segmentBytes,
      copied.owner,
    );
    await run.settled();
    await options.archiving?.complete(session, server, label.timeline, stop);
    const manifest = manifestOf(
      options,
      {
        way: 'remote',
        server,
        dataDirectory: server.dataDirectory ?? '',
        chunkBytes: copied.chunkBytes,
        startTime,
        databases: await listDatabases(session),
      },
      { ...copied, stopTime, damagedPages: run.damagedPages },
    );
    done(manifest);
    yield manifestEntry(manifest, copied.owner);
  } finally {
    await log.close();
  }
}
