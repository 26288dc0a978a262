/**
 * Positions in PostgreSQL's write-ahead log (src/include/access/xlogdefs.h, xlog_internal.h): LSNs, timelines,
 * names of segments and of timeline history files.
 */

/** A byte position in the log, as an unsigned 64-bit number. */
export type Lsn = bigint;

/** Timelines count from 1. */
export type Timeline = number;

const lsnText = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** `16/B374D848` as a number, or null for anything else. */
export function parseLsn(text: string): Lsn | null {
  const match = lsnText.exec(text);
  return match ? (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`) : null;
}

/** As PostgreSQL prints it: `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}

/** A file of the log on one timeline: bytes `number × segmentBytes` up to the next one's. */
export interface Segment {
  readonly timeline: Timeline;
  /** Counted from LSN 0. */
  readonly number: bigint;
}

const hex8 = (value: bigint | number): string => value.toString(16).toUpperCase().padStart(8, '0');

/** 24 hexadecimal digits: timeline, log and segment (XLogFileName). */
export function segmentName({ timeline, number }: Segment, segmentBytes: number): string {
  const perLog = 0x100000000n / BigInt(segmentBytes);
  return hex8(timeline) + hex8(number / perLog) + hex8(number % perLog);
}

/** The segment of a name, or null where it is none. */
export function parseSegmentName(name: string, segmentBytes: number): Segment | null {
  if (!/^[0-9A-F]{24}$/.test(name)) return null;
  const perLog = 0x100000000n / BigInt(segmentBytes);
  const inLog = BigInt(`0x${name.slice(16)}`);
  if (inLog >= perLog) return null;
  return {
    timeline: Number.parseInt(name.slice(0, 8), 16),
    number: BigInt(`0x${name.slice(8, 16)}`) * perLog + inLog,
  };
}

/** The segment that holds the byte at `lsn`. */
export function segmentAt(timeline: Timeline, lsn: Lsn, segmentBytes: number): Segment {
  return { timeline, number: lsn / BigInt(segmentBytes) };
}

/** The segment that holds the last byte before `lsn`: for ends, which lie behind what they end. */
export function segmentBefore(timeline: Timeline, lsn: Lsn, segmentBytes: number): Segment {
  return { timeline, number: (lsn - 1n) / BigInt(segmentBytes) };
}

export function segmentStart({ number }: Segment, segmentBytes: number): Lsn {
  return number * BigInt(segmentBytes);
}

/** `00000002.history` */
export function historyName(timeline: Timeline): string {
  return `${hex8(timeline)}.history`;
}

/** The timeline of a history file's name, or null where it is none. */
export function parseHistoryName(name: string): Timeline | null {
  return /^[0-9A-F]{8}\.history$/.test(name) ? Number.parseInt(name.slice(0, 8), 16) : null;
}

/** One line of a history file: the timeline was left at `end` for the next one. */
export interface TimelineSwitch {
  readonly timeline: Timeline;
  readonly end: Lsn;
  readonly reason: string;
}

/**
 * The ancestors of a timeline, oldest first (readTimeLineHistory in timeline.c): each line is
 * `timeline<TAB>LSN<TAB>reason`; empty lines and lines that begin with # are skipped.
 * @returns null where the text is no history.
 */
export function parseHistory(text: string): TimelineSwitch[] | null {
  const switches: TimelineSwitch[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)\s*(.*)$/.exec(line);
    const end = match && parseLsn(match[2]!);
    if (!match || end === null) return null;
    const timeline = Number(match[1]);
    if (timeline <= (switches.at(-1)?.timeline ?? 0)) return null;
    switches.push({ timeline, end, reason: match[3]! });
  }
  return switches;
}

/** A part of the log on one timeline; `end` lies behind the last byte. */
export interface WalRange {
  readonly timeline: Timeline;
  readonly start: Lsn;
  readonly end: Lsn;
}
