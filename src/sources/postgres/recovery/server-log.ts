import { type Lsn, parseLsn } from '../../../model/wal.ts';

/** What a server in recovery says in its log (messages of xlogrecovery.c and xlog.c, untranslated). */
export interface RecoveryLog {
  /** Where it stopped because the target was reached, as the server words it; null where it did not. */
  readonly stopped: string | null;
  /** Commit or abort that it stopped at: its number and time. */
  readonly stoppedAt: { readonly xid: number | null; readonly time: string | null; readonly lsn: Lsn | null };
  /** Beginning of the last record replayed. */
  readonly redoDone: Lsn | null;
  /** From the first record replayed to the last one, waiting for the log included; null where none was replayed. */
  readonly replayMs: number | null;
  /** Of the last transaction replayed, as the server prints times. */
  readonly lastTransaction: string | null;
  readonly newTimeline: number | null;
  readonly consistent: boolean;
  /** Position of the last sign of progress. */
  readonly progress: Lsn | null;
  /** The first FATAL or PANIC with its DETAIL and HINT; null where there was none. */
  readonly failure: string | null;
  /** The log held less than was asked for. */
  readonly targetNotReached: boolean;
}

const fatalLine = /\b(?:FATAL|PANIC): {2}(.*)$/;
/** Clients that came too early are told so at this level; that is no failure of the server. */
const harmless =
  /^(?:the database system is |terminating (?:background worker|connection|walreceiver)|sorry, too many|role "|database "|no pg_hba.conf entry|could not receive data from WAL stream|could not connect to the primary)/;

function findFailure(lines: readonly string[]): string | null {
  const at = lines.findIndex((line) => {
    const message = fatalLine.exec(line)?.[1];
    return message !== undefined && !harmless.test(message);
  });
  if (at < 0) return null;
  const parts = [fatalLine.exec(lines[at]!)![1]!];
  for (const line of lines.slice(at + 1, at + 4)) {
    const more = /\b(?:DETAIL|HINT): {2}(.*)$/.exec(line)?.[1];
    if (more) parts.push(more);
  }
  return parts.join('; ');
}

/** Time at the beginning of a line, as the prefix `%m` prints it. */
function timeOfLine(line: string | undefined): number {
  const [, day, time] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) /.exec(line ?? '') ?? [];
  return Date.parse(`${day}T${time}Z`);
}

function replayTime(lines: readonly string[]): number | null {
  const begin = lines.find((line) => /LOG: {2}redo starts at /.test(line));
  const end = lines.findLast((line) => /LOG: {2}redo done at /.test(line));
  const tookMs = timeOfLine(end) - timeOfLine(begin);
  return Number.isNaN(tookMs) ? null : tookMs;
}

export function readRecoveryLog(text: string): RecoveryLog {
  const lines = text.split('\n');
  const last = (pattern: RegExp): RegExpExecArray | null => {
    for (let at = lines.length - 1; at >= 0; at--) {
      const match = pattern.exec(lines[at]!);
      if (match) return match;
    }
    return null;
  };
  const lsnOf = (pattern: RegExp): Lsn | null => parseLsn(last(pattern)?.[1] ?? '');
  const stopped = last(/LOG: {2}recovery (stopping .*)$/)?.[1] ?? null;
  return {
    stopped,
    stoppedAt: {
      xid: stopped === null ? null : Number(/transaction (\d+)/.exec(stopped)?.[1] ?? Number.NaN) || null,
      time: stopped === null ? null : (/time (\d{4}-\d\d-\d\d .*)$/.exec(stopped)?.[1] ?? null),
      lsn: parseLsn(/\(LSN\) "([^"]+)"/.exec(stopped ?? '')?.[1] ?? ''),
    },
    redoDone: lsnOf(/LOG: {2}redo done at ([0-9A-F]+\/[0-9A-F]+)/),
    replayMs: replayTime(lines),
    lastTransaction: last(/LOG: {2}last completed transaction was at log time (.*)$/)?.[1] ?? null,
    newTimeline: Number(last(/LOG: {2}selected new timeline ID: (\d+)/)?.[1] ?? 0) || null,
    consistent: last(/LOG: {2}consistent recovery state reached/) !== null,
    progress: lsnOf(
      /(?:redo in progress, .*current LSN: |redo done at |redo starts at )([0-9A-F]+\/[0-9A-F]+)/,
    ),
    failure: findFailure(lines),
    targetNotReached: last(/recovery ended before configured recovery target was reached/) !== null,
  };
}
