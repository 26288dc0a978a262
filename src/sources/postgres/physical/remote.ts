import { type ByteString, bytesOfText, toText } from '../../../core/bytestring.ts';
import { hasCode, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { PhysicalManifest } from '../../../model/postgres-manifest.ts';
import type { Chunking, EntryRun, SourceEntry } from '../../../model/source-entry.ts';
import { segmentAt, segmentBefore, segmentName, segmentStart } from '../../../model/wal.ts';
import type { ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import type { BackupTablespace } from '../replication/base-backup.ts';
import { openReplication, type ReplicationSession } from '../replication/session.ts';
import type { TarEntry } from '../replication/tar.ts';
import type { WalMessage } from '../replication/wal-stream.ts';
import { type BackupLabel, parseBackupLabel } from './backup-label.ts';
import { chunkBytesFor } from './chunk-size.ts';
import { isWholeControlFile } from './control-file.ts';
import { isSignal, relationFile } from './exclusions.ts';
import { type LogPiece, LogReader } from './log-reader.ts';
import { type CopyEnd, manifestEntry, manifestOf, smallFile, topFolders } from './manifest.ts';
import type { PhysicalBackupOptions } from './options.ts';
import {
  dataDirectoryMode,
  listDatabases,
  listTablespaces,
  serverTime,
  temporarySlotName,
} from './server-queries.ts';
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
  const mode = await dataDirectoryMode(session);
  const log = await openReplication(options.settings, {
    signal: options.signal,
    applicationName: 'lifeboat backup log',
  });
  try {
    const slot = await holdLog(log, run);
    const startTime = await serverTime(session);
    const copied = yield* copyFiles(options, session, server, mode, run);
    const stopTime = await serverTime(session);
    yield* logEntries(options.source, log, slot, copied, server.segmentBytes);
    await run.settled();
    await options.archiving?.complete(session, server, copied.label.timeline, copied.stop);
    const manifest = manifestOf(
      options,
      {
        way: 'remote',
        server,
        dataDirectory: server.dataDirectory ?? '',
        chunkBytes: copied.chunkBytes,
        startTime,
        databases: await listDatabases(session),
        configuration: [],
      },
      { ...copied, stopTime, damagedPages: run.damagedPages },
    );
    done(manifest);
    yield manifestEntry(manifest, copied.owner);
  } finally {
    await log.close();
  }
}

/** A temporary slot that keeps the log of the backup. Returns null where there can be none, which costs it nothing but safety. */
async function holdLog(log: ReplicationSession, run: EntryRun): Promise<string | null> {
  const slot = temporarySlotName('backup');
  try {
    await log.createPhysicalSlot(slot, { temporary: true, reserve: true });
    return slot;
  } catch (error) {
    if (!hasCode(error, 'database-failed')) throw error;
    run.warning(`WAL cannot be held back with a replication slot during the backup: ${messageOf(error)}`);
    return null;
  }
}

interface Copied extends Omit<CopyEnd, 'stopTime' | 'damagedPages'> {
  readonly chunkBytes: number;
  readonly owner: { readonly uid: number; readonly gid: number };
}

async function* copyFiles(
  options: PhysicalBackupOptions,
  session: SqlSession,
  server: ServerFacts,
  mode: number,
  run: EntryRun,
): AsyncGenerator<SourceEntry, Copied> {
  const { source } = options;
  const said = new Set<string>();
  const data = await openReplication(options.settings, {
    signal: options.signal,
    applicationName: 'lifeboat backup',
    largeReads: true,
    // The server goes through its files twice: to estimate their size, and to send them.
    onNotice(message) {
      if (!said.has(message)) run.warning(`the server says: ${message}`);
      said.add(message);
    },
  });
  try {
    const known = await listTablespaces(session);
    const backup = await data.baseBackup({
      label: `lifeboat ${source}`,
      fastCheckpoint: true,
      tablespaceMap: true,
    });
    const { start } = backup;
    await refuseLeftOut(session, known, backup.tablespaces);
    const tablespaces = backup.tablespaces.filter((each) => !isInPlace(each));
    const chunkBytes = options.previous?.chunkBytes ?? chunkBytesFor(backup.bytes);
    run.expected(0, backup.bytes);
    let label: BackupLabel | null = null;
    let owner: Copied['owner'] | null = null;
    let bytes = 0;
    let files = 0;
    const sizes = new Map<number, number>();
    const chunkingOf = (path: string): Chunking => {
      const relation = relationFile(path.slice(path.lastIndexOf('/') + 1));
      if (!relation || !/^(?:base|global|(?:pg_tblspc\/\d+\/)?PG_[^/]+)\//.test(path)) return contentDefined;
      const firstBlock = relation.segment * server.relationSegmentBlocks;
      const check = server.dataChecksums
        ? ({ kind: 'postgres', firstBlock, notFrom: start.lsn } as const)
        : null;
      return { kind: 'pages', chunkBytes, pageBytes: server.blockBytes, check };
    };
    for await (const { tablespace, entries } of backup.archives()) {
      for await (const entry of entries) {
        const path = toText(entry.path);
        if (!owner) {
          owner = { uid: entry.uid, gid: entry.gid };
          yield* topFolders(source, tablespaces, owner, mode);
          yield* inPlaceFolders(source, backup.tablespaces.filter(isInPlace), owner);
        }
        if (path === '.' || path === '' || (!tablespace && isSignal(path))) continue;
        bytes += entry.size;
        if (entry.type === 'file') files++;
        if (tablespace) sizes.set(tablespace.oid, (sizes.get(tablespace.oid) ?? 0) + entry.size);
        if (path === 'backup_label' && !tablespace) {
          const content = await wholeOf(entry);
          label = parseBackupLabel(content.toString('utf8'));
          yield smallFile(`${source}/data/${path}`, content, owner);
        } else if (path === controlFile && !tablespace) {
          yield smallFile(`${source}/data/${path}`, wholeControlFile(await wholeOf(entry)), owner);
        } else {
          const sent = entryOf(entry, snapshotPath(source, tablespace, path), chunkingOf(path));
          // Where it is a link, the server sends a folder with the owner of the link, which may be root.
          yield path === 'pg_wal' ? { ...sent, ...owner } : sent;
        }
      }
    }
    if (!label || !owner)
      throw new LifeboatError('source-unreadable', 'the server sent a base backup without a backup_label');
    return {
      label,
      stop: backup.end().lsn,
      owner,
      chunkBytes,
      bytes,
      files,
      tablespaces: tablespaces.map(({ oid, location }) => ({ oid, location, bytes: sizes.get(oid) ?? 0 })),
    };
  } finally {
    await data.close();
  }
}

/** Of allow_in_place_tablespaces: a folder in pg_tblspc instead of a link, named relative to the data directory. */
function isInPlace({ location }: BackupTablespace): boolean {
  return !location.startsWith('/');
}

function* inPlaceFolders(
  source: string,
  tablespaces: readonly BackupTablespace[],
  owner: Copied['owner'],
): Generator<SourceEntry> {
  const mtimeNs = BigInt(Date.now()) * 1_000_000n;
  for (const { location } of tablespaces)
    yield {
      ...{ path: bytesOfText(`${source}/data/${location}`), type: 'dir', permissions: 0o700 },
      ...owner,
      mtimeNs,
    };
}

/**
 * Before PostgreSQL 16 the server leaves tablespaces in place out of its base backups (do_pg_backup_start).
 * @throws LifeboatError `source-unreadable` where one is that was there all the time.
 */
async function refuseLeftOut(
  session: SqlSession,
  before: readonly { readonly oid: number; readonly name: string }[],
  sent: readonly BackupTablespace[],
): Promise<void> {
  const isSent = (oid: number): boolean => sent.some((each) => each.oid === oid);
  const missing = before.filter(({ oid }) => !isSent(oid));
  if (missing.length === 0) return;
  const still = new Set((await listTablespaces(session)).map(({ oid }) => oid));
  const left = missing.filter(({ oid }) => still.has(oid));
  if (left.length === 0) return;
  throw new LifeboatError(
    'source-unreadable',
    `the server leaves the tablespace ${left.map(({ name }) => name).join(', ')} out of its base backups`,
    {
      hint: 'a tablespace inside of the data directory needs a local backup, or PostgreSQL 16; else move its tables',
    },
  );
}

function snapshotPath(source: string, tablespace: BackupTablespace | null, path: string): ByteString {
  const inPlace = tablespace && isInPlace(tablespace) ? `${source}/data/${tablespace.location}` : null;
  const root = inPlace ?? (tablespace ? `${source}/tablespaces/${tablespace.oid}` : `${source}/data`);
  return bytesOfText(`${root}/${path.replace(/^\.\//, '')}`);
}

function entryOf(entry: TarEntry, path: ByteString, chunking: Chunking): SourceEntry {
  return {
    path,
    type: entry.type,
    permissions: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeNs: BigInt(entry.mtime) * 1_000_000_000n,
    ...(entry.linkTarget === null ? {} : { linkTarget: entry.linkTarget }),
    ...(entry.type === 'file' ? { content: { kind: 'stream', bytes: entry.bytes, chunking } } : {}),
  };
}

async function wholeOf(entry: TarEntry): Promise<Buffer> {
  if (entry.size > smallFileBytesMax)
    throw new LifeboatError(
      'source-unreadable',
      `the server sent a ${toText(entry.path)} of ${entry.size} bytes`,
    );
  const parts: Uint8Array[] = [];
  for await (const part of entry.bytes) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

function wholeControlFile(bytes: Buffer): Buffer {
  if (isWholeControlFile(bytes)) return bytes;
  throw new LifeboatError('source-unreadable', 'the server sent a pg_control whose checksum is wrong', {
    hint: 'run the backup again; where it fails again, the control file of the server is damaged',
  });
}

async function* piecesOf(messages: AsyncIterable<WalMessage>): AsyncGenerator<LogPiece> {
  for await (const message of messages) {
    if (message.kind === 'data') yield message;
    // A standby that was promoted after its backup ended: its log up to the end has been sent by now.
    else if (message.kind === 'end-of-timeline') return;
  }
}

/** The segments from start to stop, and the history of the timeline. */
async function* logEntries(
  source: string,
  log: ReplicationSession,
  slot: string | null,
  { label, stop, owner }: Copied,
  segmentBytes: number,
): AsyncGenerator<SourceEntry> {
  const { timeline } = label;
  if (timeline > 1) {
    const { name, content } = await log.timelineHistory(timeline);
    yield smallFile(`${source}/data/pg_wal/${name}`, content, owner);
  }
  const first = segmentAt(timeline, label.start, segmentBytes);
  const last = segmentBefore(timeline, stop, segmentBytes);
  const start = segmentStart(first, segmentBytes);
  const durable = (): bigint => start;
  const messages = log.streamWal({ slot, start, timeline, statusIntervalMs: 10_000, durable });
  const reader = new LogReader(piecesOf(messages), start, stop);
  try {
    for (let { number } = first; number <= last.number; number++) {
      const end = segmentStart({ timeline, number: number + 1n }, segmentBytes);
      yield {
        path: bytesOfText(`${source}/data/pg_wal/${segmentName({ timeline, number }, segmentBytes)}`),
        type: 'file',
        permissions: 0o600,
        ...owner,
        mtimeNs: BigInt(Date.now()) * 1_000_000n,
        content: { kind: 'stream', bytes: reader.upTo(end), chunking: walChunking },
      };
    }
  } finally {
    await reader.close();
  }
}
