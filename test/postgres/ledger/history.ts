import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../../../src/model/wal.ts';
import { asServerAccount } from '../programs.ts';
import type { TransactionEnd } from './oracle.ts';

/** Reads a server's own log with its own pg_waldump: knows nothing of Lifeboat. */

/** WAL files of one timeline, as they lie in some pg_wal. */
export interface LogPart {
  readonly folder: string;
  readonly timeline: Timeline;
  /** From here on; a record starts here, or a little later. */
  readonly start: Lsn;
}

/** pg_waldump's output up to where the log ends, which it reports as an error: a log has no last record. */
async function waldump(bin: string, args: readonly string[]): Promise<string> {
  const child = spawn(join(bin, 'pg_waldump'), args, {
    ...asServerAccount(),
    cwd: '/',
    env: { LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, problem, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  const isEnd = /error in WAL record at|could not (find|open) file|could not read WAL|invalid magic/.test(
    problem,
  );
  if (status !== 0 && !isEnd) throw new Error(`pg_waldump ${args.join(' ')}: ${problem}`);
  return out;
}

const argumentsOf = ({ folder, timeline }: LogPart, start: Lsn): string[] => [
  ...['-p', folder, '-t', String(timeline), '-s', formatLsn(start)],
];

const endLine =
  /^rmgr: Transaction .*? tx:\s+(\d+), lsn: ([0-9A-F]+\/[0-9A-F]+), .*? desc: (COMMIT|ABORT)(?:_PREPARED)? (?:\d+: )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))? UTC/;

/** All commits and aborts of a part of the log, in its order. */
export async function transactionEnds(bin: string, part: LogPart): Promise<TransactionEnd[]> {
  const lines = (await waldump(bin, [...argumentsOf(part, part.start), '-r', 'Transaction'])).split('\n');
  return lines.flatMap((line) => {
    const match = endLine.exec(line);
    if (!match) return [];
    const [, xid, lsn, kind, day, time, fraction = ''] = match;
    const seconds = BigInt(Date.parse(`${day}T${time}Z`)) * 1000n;
    return [
      {
        kind: kind === 'COMMIT' ? ('commit' as const) : ('abort' as const),
        timeline: part.timeline,
        start: parseLsn(lsn!)!,
        xid: Number(xid),
        timeUs: seconds + BigInt(fraction.padEnd(6, '0')),
      },
    ];
  });
}

/**
 * Where each record of a part of the log starts, in its order. pg_waldump could be asked for the next record behind
 * a position, but it does not find every one from the middle of a page.
 */
export async function recordStarts(bin: string, part: LogPart): Promise<Lsn[]> {
  const out = await waldump(bin, argumentsOf(part, part.start));
  return Array.from(
    out.matchAll(/^rmgr: .*?, lsn: ([0-9A-F]+\/[0-9A-F]+),/gm),
    (match) => parseLsn(match[1]!)!,
  );
}
