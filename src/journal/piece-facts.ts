import { LifeboatError } from '../core/errors.ts';
import type { JournalStream, Piece, PieceFacts } from '../model/journal.ts';

/** What the writer of a piece knows; the rest follows from its bytes. */
export type GivenFacts = Pick<PieceFacts, 'unit' | 'from' | 'unitBytes'> &
  Partial<Pick<PieceFacts, 'firstCommitMs' | 'lastCommitMs' | 'sentMs' | 'storedAt'>>;

/** PostgreSQL's limits (IsValidWalSegSize): a power of two from 1 MiB to 1 GiB. */
const unitBytesMax = 2 ** 30;

export function completeFacts(
  stream: JournalStream,
  given: GivenFacts,
  bytes: Uint8Array,
  now: Date = new Date(),
): PieceFacts {
  const { unit, from, unitBytes } = given;
  const to = from + bytes.length;
  const fits = Number.isSafeInteger(from) && from >= 0 && bytes.length > 0 && to <= unitBytes;
  if (!fits || unitBytes > unitBytesMax || !/^[0-9A-F]{24}$/.test(unit))
    throw new LifeboatError(
      'internal',
      `bytes ${from} to ${to} of the log segment ${unit} cannot be a piece of ${unitBytes} bytes`,
    );
  return {
    version: 1,
    source: stream.source,
    stream: stream.stream,
    unit,
    from,
    to,
    unitBytes,
    firstCommitMs: given.firstCommitMs ?? null,
    lastCommitMs: given.lastCommitMs ?? null,
    sentMs: given.sentMs ?? null,
    storedAt: given.storedAt ?? now.toISOString(),
  };
}

const isTime = (value: unknown): value is number | null => value === null || Number.isFinite(value);

/**
 * Reads the facts of an opened piece and holds them against its name and the number of its bytes.
 * @throws LifeboatError `journal-damaged` naming the object.
 */
export function parseFacts(
  facts: Readonly<Record<string, unknown>>,
  bytes: Uint8Array,
  stream: JournalStream,
  piece: Piece,
  key: string,
): PieceFacts {
  const damaged = (why: string) => new LifeboatError('journal-damaged', `${key} ${why}`);
  const { version, unitBytes, firstCommitMs, lastCommitMs, sentMs, storedAt } = facts;
  if (version !== 1)
    throw new LifeboatError('journal-damaged', `${key} has facts of the unknown version ${version}`, {
      hint: 'this journal was written by a newer version; update Lifeboat',
    });
  if (facts.source !== stream.source || facts.stream !== stream.stream)
    throw damaged(`holds the log of ${facts.source} ${facts.stream}`);
  if (facts.unit !== piece.unit || facts.from !== piece.from || facts.to !== piece.to)
    throw damaged(`holds another part of the log: ${facts.unit} from ${facts.from} to ${facts.to}`);
  if (bytes.length !== piece.to - piece.from) throw damaged(`holds ${bytes.length} bytes`);
  if (typeof unitBytes !== 'number' || unitBytes < piece.to) throw damaged('lies beyond the end of its unit');
  if (!isTime(firstCommitMs) || !isTime(lastCommitMs) || !isTime(sentMs) || typeof storedAt !== 'string')
    throw damaged('has facts that cannot be read');
  return {
    version,
    source: stream.source,
    stream: stream.stream,
    unit: piece.unit,
    from: piece.from,
    to: piece.to,
    unitBytes,
    firstCommitMs,
    lastCommitMs,
    sentMs,
    storedAt,
  };
}
