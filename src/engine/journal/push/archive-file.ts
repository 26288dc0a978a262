import { open, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LifeboatError, messageOf } from '../../../core/errors.ts';
import type { GivenFacts } from '../../../journal/piece-facts.ts';
import { parseHistory, parseSegmentName, segmentStart } from '../../../model/wal.ts';
import { createWalScanner } from '../../../sources/postgres/wal/scanner.ts';
import { readSegmentHeader } from '../../../sources/postgres/wal/segment-header.ts';
import { createCommitTimes } from '../commit-times.ts';
import { type ArchiveName, parseArchiveName } from './archive-name.ts';

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
export async function readArchiveFile(path: string): Promise<ArchiveFile> {
  const name = basename(path);
  const parsed = parseArchiveName(name);
  if (parsed === null) throw invalid(name, 'is no name of a file that PostgreSQL archives');
  if (parsed.kind === 'backup-history') return { kind: 'ignored', name, systemIdentifier: '' };
  const bytes = await readWhole(path);
  if (parsed.kind !== 'history') return logFile(name, parsed, bytes);
  const systemIdentifier = await readSystemIdentifier(dirname(dirname(path)));
  if (parseHistory(bytes.toString('utf8')) === null) throw invalid(name, 'holds no history of a timeline');
  return { kind: 'history', name, timeline: parsed.timeline, systemIdentifier, bytes };
}

async function readWhole(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new LifeboatError('source-unreadable', `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
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
  const scanner = createWalScanner({ segmentBytes, blockBytes });
  const times = createCommitTimes();
  times.add(scanner.feed(start, bytes));
  // What lies behind the last record of a timeline that was left is void.
  const end = kind === 'segment' ? start + BigInt(segmentBytes) : (scanner.recordsEnd ?? start);
  if (end === start) return { kind: 'ignored', name, systemIdentifier };
  return {
    kind: 'log',
    name,
    systemIdentifier,
    major,
    facts: { unit, from: 0, unitBytes: segmentBytes, ...times.take(0n, end) },
    bytes: bytes.subarray(0, Number(end - start)),
  };
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
