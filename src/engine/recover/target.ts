import { LifeboatError } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../../model/wal.ts';
import { parseZonedTime, type ZonedTime } from './zoned-time.ts';

/** Where a recovery is to end. */
export type RecoveryTarget =
  /** The end of the log. */
  | { readonly kind: 'latest' }
  /** As soon as the backup is consistent. */
  | { readonly kind: 'immediate' }
  | { readonly kind: 'time'; readonly time: ZonedTime }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'xid'; readonly xid: bigint }
  | { readonly kind: 'name'; readonly name: string };

/** `latest`: the newest that is known; `current`: the backup's own. */
export type TimelineChoice = 'latest' | 'current' | Timeline;

/** PostgreSQL's MAXFNAMELEN, with the byte that ends it. */
const nameBytesMax = 63;

function usage(message: string, hint: string): LifeboatError {
  return new LifeboatError('usage', message, { hint });
}

/**
 * The argument of --to.
 * @throws LifeboatError `usage`.
 */
export function parseTarget(text: string): RecoveryTarget {
  const given = text.trim();
  if (given === 'latest' || given === 'immediate') return { kind: given };
  const match = /^(lsn|xid|name|time):(.*)$/s.exec(given);
  const [kind, value] = match ? [match[1], match[2]!] : [null, given];
  if (kind === 'lsn') {
    const lsn = parseLsn(value);
    if (lsn === null) throw usage(`${JSON.stringify(value)} is no LSN`, 'give one such as lsn:16/B374D848');
    return { kind, lsn };
  }
  if (kind === 'xid') {
    const xid = /^\d{1,20}$/.test(value) ? BigInt(value) : 0n;
    if (xid < 3n || xid >= 1n << 64n)
      throw usage(`${JSON.stringify(value)} is no number of a transaction`, 'give one such as xid:7431');
    return { kind, xid };
  }
  if (kind === 'name') {
    if (value === '' || Buffer.byteLength(value) > nameBytesMax || /[\n\0]/.test(value))
      throw usage(
        `${JSON.stringify(value)} is no name of a restore point`,
        `give the name that pg_create_restore_point was called with, at most ${nameBytesMax} bytes`,
      );
    return { kind, name: value };
  }
  return { kind: 'time', time: parseZonedTime(value) };
}

/** For messages: `the time 2026-11-20 14:03:11+01`, `the end of the log`. */
export function describeTarget(target: RecoveryTarget): string {
  switch (target.kind) {
    case 'latest':
      return 'the end of the log';
    case 'immediate':
      return 'the end of the backup';
    case 'time':
      return `the time ${target.time.text}`;
    case 'lsn':
      return `the LSN ${formatLsn(target.lsn)}`;
    case 'xid':
      return `the transaction ${target.xid}`;
    case 'name':
      return `the restore point ${JSON.stringify(target.name)}`;
  }
}

/** @throws LifeboatError `usage`. */
export function parseTimelineChoice(text: string): TimelineChoice {
  if (text === 'latest' || text === 'current') return text;
  const timeline = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : 0;
  if (timeline < 1 || timeline > 0xffffffff)
    throw usage(`${JSON.stringify(text)} is no timeline`, 'give a number from 1, `latest` or `current`');
  return timeline;
}
