import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteString, bytesOfText } from '../../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { PhysicalManifest } from '../../../model/postgres-manifest.ts';
import type { Chunking, EntryRun, SourceEntry } from '../../../model/source-entry.ts';
import {
  type Lsn,
  parseHistoryName,
  segmentAt,
  segmentBefore,
  segmentName,
  type Timeline,
} from '../../../model/wal.ts';
import { groupName, userName } from '../../../transport/accounts.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import { parseBackupLabel } from './backup-label.ts';
import { chunkBytesFor } from './chunk-size.ts';
import { readConfiguration } from './configuration.ts';
import { withoutOtherPast } from './continuation.ts';
import { readControlFile, systemIdentifierOf } from './control-file.ts';
import { checkCheckpoint } from './local-server.ts';
import { manifestEntry, manifestOf, smallFile, topFolders } from './manifest.ts';
import type { PhysicalBackupOptions } from './options.ts';
import {
  checkBackupRights,
  holdWal,
  listDatabases,
  serverTime,
  startBackup,
  stopBackup,
  tablespaceVersionFolder,
  temporarySlotName,
} from './server-queries.ts';
import { controlFile, type FoundEntry, walkDataDirectory } from './walk.ts';

/** Log segments never repeat, so small blobs would gain nothing. */
const walChunking: Chunking = { kind: 'pages', chunkBytes: 1024 * 1024, pageBytes: 8192, check: null };
const contentDefined: Chunking = { kind: 'content-defined' };

/**
 * A file that changes again within this time may keep its mtime on file systems with a coarse clock, and then look
 * unchanged. So one that was changed shortly before the parent's copy began, or after, is read again.
 */
const clockGranularityNs = 2_000_000_000n;

/**
 * The entries of a physical backup that reads the data directory beside the running server (continuous-archiving
 * documentation, "Making a Base Backup Using the Low Level API").
 *
 * @throws LifeboatError; leaving early ends the session, and with it the server's backup mode and the slot.
 */
export async function* localEntries(
  given: PhysicalBackupOptions,
  session: SqlSession,
  server: ServerFacts,
  dataDirectory: string,
  run: EntryRun,
  done: (manifest: PhysicalManifest) => void,
): AsyncGenerator<SourceEntry> {
  const { source, archiving } = given;
  await checkBackupRights(session, server);
  await archiving?.prove(session, server);
  const versionFolder = await tablespaceVersionFolder(session, server);
  const held = await holdWal(session, temporarySlotName('backup'));
  if (held) run.warning(`WAL cannot be held back with a replication slot during the backup: ${held}`);
  const startTime = await serverTime(session);
  const start = await startBackup(session, server, `lifeboat ${source}`);
  await checkCheckpoint(dataDirectory, start);
  const lost = lossOf(session);

  const options = await withoutOtherPast(given, session, dataDirectory, run.warning);
  const { entries, tablespaces, warnings } = walkDataDirectory(dataDirectory, versionFolder);
  for (const warning of warnings) run.warning(warning);
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  const files = entries.filter((entry) => entry.type === 'file').length;
  run.expected(files, bytes);
  const chunkBytes = options.previous?.chunkBytes ?? chunkBytesFor(bytes);
  const mayReuse = reuseRule(options.comparedWith?.manifest ?? null);

  const chunkingOf = ({ segment }: FoundEntry): Chunking => {
    if (segment === null) return contentDefined;
    const check = server.dataChecksums
      ? ({ kind: 'postgres', firstBlock: segment * server.relationSegmentBlocks, notFrom: start } as const)
      : null;
    return { kind: 'pages', chunkBytes, pageBytes: server.blockBytes, check };
  };

  const rootStat = statSync(dataDirectory, { bigint: true });
  const root = { uid: Number(rootStat.uid), gid: Number(rootStat.gid) };
  const owner = ownerOf(root.uid, root.gid);
  yield* topFolders(source, tablespaces, owner, Number(rootStat.mode & 0o7777n));
  const places = { dataDirectory, own: server.dataDirectory };
  const configuration = await readConfiguration(session, source, places, run.warning);
  yield* configuration.entries;

  const linked = new Set(tablespaces.map(({ oid }) => oid));
  // The largest first, so that no worker is left alone with one at the end.
  const ordered = [...entries].sort((a, b) => b.size - a.size);
  for (const entry of ordered) {
    run.signal.throwIfAborted();
    lost.throwIfAborted();
    const path = snapshotPath(source, entry.path, linked);
    yield {
      path,
      type: entry.type,
      permissions: entry.permissions,
      ...ownerOf(entry.uid, entry.gid),
      mtimeNs: entry.mtimeNs,
      ...(entry.linkTarget === null ? {} : { linkTarget: bytesOfText(entry.linkTarget) }),
      ...(entry.type === 'file'
        ? {
            content: {
              kind: 'file',
              path: bytesOfText(entry.location),
              size: entry.size,
              chunking: chunkingOf(entry),
            },
            reusable: mayReuse(path, entry.mtimeNs),
            mayVanish: true,
          }
        : {}),
    };
  }
  await run.settled();
  const control = await readControlFile(dataDirectory);
  if (systemIdentifierOf(control) !== server.systemIdentifier)
    throw new LifeboatError('source-unreadable', `${dataDirectory} became another cluster during the backup`);
  yield smallFile(`${source}/data/${controlFile}`, control, owner);

  const stopped = await stopBackup(session, server);
  const stopTime = await serverTime(session);
  const label = parseBackupLabel(stopped.label);
  yield smallFile(`${source}/data/backup_label`, Buffer.from(stopped.label, 'utf8'), owner);
  if (stopped.tablespaceMap !== '')
    yield smallFile(`${source}/data/tablespace_map`, Buffer.from(stopped.tablespaceMap, 'utf8'), owner);
  for (const name of walNeeded(dataDirectory, label.timeline, label.start, stopped.stop, server))
    yield walEntry(source, join(dataDirectory, 'pg_wal', name), name, owner);
  await run.settled();
  await archiving?.complete(session, server, label.timeline, stopped.stop);

  const sizes = new Map<number, number>();
  for (const { path, size } of entries) {
    const oid = /^pg_tblspc\/(\d+)\//.exec(path)?.[1];
    if (oid !== undefined) sizes.set(Number(oid), (sizes.get(Number(oid)) ?? 0) + size);
  }
  const copy = {
    way: 'local',
    server,
    dataDirectory,
    chunkBytes,
    startTime,
    databases: await listDatabases(session),
    configuration: configuration.files,
  } as const;
  const manifest = manifestOf(options, copy, {
    label,
    stop: stopped.stop,
    stopTime,
    tablespaces: tablespaces.map((each) => ({ ...each, bytes: sizes.get(each.oid) ?? 0 })),
    damagedPages: run.damagedPages,
    bytes,
    files,
  });
  done(manifest);
  yield manifestEntry(manifest, owner);
}

/** Which files may be taken over unread, where nothing about them has changed since the compared backup. */
function reuseRule(compared: PhysicalManifest | null): (path: ByteString, mtimeNs: bigint) => boolean {
  if (!compared) return () => false;
  const beforeNs = BigInt(Date.parse(compared.startTime)) * 1_000_000n - clockGranularityNs;
  // What was damaged is read again, so that it is reported again, or is whole this time.
  const { damagedPages, damagedPageCount } = compared;
  if (damagedPageCount > damagedPages.length) return () => false;
  const damaged = new Set(damagedPages.map(({ path }) => path));
  return (path, mtimeNs) => mtimeNs < beforeNs && !damaged.has(path);
}

function ownerOf(uid: number, gid: number): { uid: number; gid: number; user?: string; group?: string } {
  const user = userName(uid);
  const group = groupName(gid);
  return { uid, gid, ...(user ? { user } : {}), ...(group ? { group } : {}) };
}

/** Aborted when the session is lost: the server has then left backup mode, and what is copied is worth nothing. */
function lossOf(session: SqlSession): AbortSignal {
  const controller = new AbortController();
  void session.lost.then((reason) => controller.abort(reason));
  return controller.signal;
}

/** A tablespace's content has a place of its own in the snapshot, so that restoring the links cannot overwrite it. */
function snapshotPath(source: string, path: string, linked: ReadonlySet<number>): ByteString {
  const match = /^pg_tblspc\/(\d+)\/(.+)$/.exec(path);
  // Only a link's content lies elsewhere; a folder in pg_tblspc (allow_in_place_tablespaces) is data like any other.
  return bytesOfText(
    match && linked.has(Number(match[1]))
      ? `${source}/tablespaces/${match[1]}/${match[2]}`
      : `${source}/data/${path}`,
  );
}

/** Segments from start to stop and all timeline histories. @throws LifeboatError `source-unreadable` where one is gone. */
function walNeeded(
  dataDirectory: string,
  timeline: Timeline,
  start: Lsn,
  stop: Lsn,
  server: ServerFacts,
): string[] {
  const folder = join(dataDirectory, 'pg_wal');
  const names = readdirSync(folder).filter((name) => parseHistoryName(name) !== null);
  const last = segmentBefore(timeline, stop, server.segmentBytes).number;
  for (let number = segmentAt(timeline, start, server.segmentBytes).number; number <= last; number++) {
    const name = segmentName({ timeline, number }, server.segmentBytes);
    checkSegment(join(folder, name), timeline, number, server);
    names.push(name);
  }
  return names;
}

/** A segment's first page says whose it is (xlog_internal.h, XLogLongPageHeaderData). */
function checkSegment(path: string, timeline: Timeline, number: bigint, server: ServerFacts): void {
  const header = Buffer.alloc(40);
  try {
    const fd = openSync(path, 'r');
    try {
      readSync(fd, header, 0, header.length, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const what =
      errnoOf(error) === 'ENOENT' ? 'was removed by the server before it could be read' : messageOf(error);
    throw new LifeboatError('source-unreadable', `the WAL segment ${path}, which the backup needs, ${what}`, {
      cause: error,
      hint: 'give the role REPLICATION, so that a slot can hold WAL back, or raise wal_keep_size; then run the backup again',
    });
  }
  const position = header.readBigUInt64LE(8);
  const owner = header.readBigUInt64LE(24).toString();
  if (
    header.readUInt32LE(4) <= timeline &&
    position === number * BigInt(server.segmentBytes) &&
    owner === server.systemIdentifier
  )
    return;
  throw new LifeboatError('source-unreadable', `the WAL segment ${path} does not hold what its name says`, {
    hint: 'run `pg_amcheck` and look at the server’s disk; a backup from a standby may still succeed',
  });
}

function walEntry(
  source: string,
  path: string,
  name: string,
  owner: { uid: number; gid: number },
): SourceEntry {
  const stat = statSync(path, { bigint: true });
  return {
    path: bytesOfText(`${source}/data/pg_wal/${name}`),
    type: 'file',
    permissions: 0o600,
    ...owner,
    mtimeNs: stat.mtimeNs,
    content: { kind: 'file', path: bytesOfText(path), size: Number(stat.size), chunking: walChunking },
  };
}
