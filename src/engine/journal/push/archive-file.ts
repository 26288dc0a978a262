import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LifeboatError, messageOf } from '../../../core/errors.ts';
import type { GivenFacts } from '../../../journal/piece-facts.ts';
import { type Lsn, parseHistory, parseSegmentName, segmentStart } from '../../../model/wal.ts';
import { createWalScanner } from '../../../sources/postgres/wal/scanner.ts';
import { readSegmentHeader } from '../../../sources/postgres/wal/segment-header.ts';
import { type ArchiveName, parseArchiveName } from './archive-name.ts';
import { commitTimesOf } from './segment-times.ts';
import { type ReadWhole, readWhole } from './whole-file.ts';

/** A file of pg_wal as read, and what it is. */
export type ArchiveFile = { readonly name: string; readonly systemIdentifier: string } & (
  | {
      readonly kind: 'log';
      readonly facts: GivenFacts;
      readonly bytes: Buffer;
      readonly major: number;
    }
  | { readonly kind: 'history'; readonly timeline: number; readonly bytes: Buffer }
  | { readonly kind: 'ignored' }
);

const invalid = (name: string, why: string): LifeboatError =>
  new LifeboatError('wal-file-invalid', `${name} ${why}`);

/**
 * Reads a file that archive_command was given, and holds it against its name.
 * @throws LifeboatError `wal-file-invalid` where it is not what its name says, `source-unreadable`.
 */
export async function readArchiveFile(path: string, read: ReadWhole = readWhole): Promise<ArchiveFile> {
  const name = basename(path);
  const parsed = parseArchiveName(name);
  if (parsed === null) throw invalid(name, 'is no name of a file that PostgreSQL archives');
  if (parsed.kind === 'backup-history') return { kind: 'ignored', name, systemIdentifier: '' };
  const bytes = await read(path);
  if (parsed.kind !== 'history') return logFile(name, parsed, bytes);
  const systemIdentifier = await readSystemIdentifier(dirname(dirname(path)));
  if (parseHistory(bytes.toString('utf8')) === null) throw invalid(name, 'holds no history of a timeline');
  return { kind: 'history', name, timeline: parsed.timeline, systemIdentifier, bytes };
}

function logFile(
  name: string,
  { kind, unit }: Extract<ArchiveName, { unit: string }>,
  bytes: Buffer,
): ArchiveFile {
  const { header, reason } = readSegmentHeader(bytes);
  if (header === null) throw invalid(name, reason);
  const { segmentBytes, blockBytes, systemIdentifier, major } = header;
  const segment = parseSegmentName(unit, segmentBytes);
  if (segment === null) throw invalid(name, `names no segment of ${segmentBytes} bytes`);
  const start = segmentStart(segment, segmentBytes);
  if (header.pageLsn !== start) throw invalid(name, 'holds another part of the log than its name says');
  // It begins on an ancestor where the timeline was left amid a segment.
  if (header.timeline > segment.timeline) throw invalid(name, 'holds the log of a later timeline');
  if (bytes.length !== segmentBytes) {
    throw invalid(name, `has ${bytes.length} bytes, but its segments have ${segmentBytes}`);
  }
  // What lies behind the last record of a timeline that was left is void.
  const length =
    kind === 'segment' ? segmentBytes : recordsLength(bytes, start, { segmentBytes, blockBytes });
  if (length === 0) return { kind: 'ignored', name, systemIdentifier };
  const log = bytes.subarray(0, length);
  return {
    kind: 'log',
    name,
    systemIdentifier,
    major,
    facts: {
      unit,
      from: 0,
      unitBytes: segmentBytes,
      ...commitTimesOf(log, start, { segmentBytes, blockBytes }),
    },
    bytes: log,
  };
}

function recordsLength(
  bytes: Buffer,
  start: Lsn,
  sizes: { readonly segmentBytes: number; readonly blockBytes: number },
): number {
  const scanner = createWalScanner(sizes);
  scanner.feed(start, bytes);
  return Number((scanner.recordsEnd ?? start) - start);
}

/**
 * The identifier at the beginning of the control file (ControlFileData in pg_control.h).
 * @throws LifeboatError `source-unreadable`
 */
export async function readSystemIdentifier(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, 'global', 'pg_control');
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
      if (bytesRead === 8) return buffer.readBigUInt64LE().toString();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new LifeboatError('source-unreadable', `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new LifeboatError('source-unreadable', `${path} is empty`);
}
