import { hasCode, LifeboatError } from '../../core/errors.ts';
import { rangeOf } from '../../journal/coverage.ts';
import { quietUntilMs } from '../../journal/heartbeat.ts';
import { type LoadedPiece, loadPiece } from '../../journal/load.ts';
import type { Piece } from '../../model/journal.ts';
import { formatLsn, type Lsn } from '../../model/wal.ts';
import { createWalScanner, type WalMark } from '../../sources/postgres/wal/scanner.ts';
import type { ClusterLog, HeldStream } from './cluster-log.ts';
import { heldAlong } from './coverage.ts';
import { composeUnit } from './log-units.ts';
import type { LogReader, SoughtMark, Stretch } from './source-view.ts';
import { legAt } from './timelines.ts';

/** Answers questions about the log by reading pieces of the journal. */

const pageBytes = 8192n;
/** Times are milliseconds with a fraction: a number holds them to a quarter of a microsecond. */
const slackUs = 1n;

interface Link {
  readonly held: HeldStream;
  readonly piece: Piece;
  readonly start: Lsn;
  readonly end: Lsn;
  /** The way leaves the piece's timeline here, before the piece ends; null where it does not. */
  readonly cut: Lsn | null;
  /** The stretch begins within the piece, here; null where it does not. */
  readonly skip: Lsn | null;
}

interface CommitTimes {
  readonly first: number;
  readonly last: number;
}

/** Pieces along a stretch in the order in which they end; of copies in several places the first place's. */
function linksOf(log: ClusterLog, { legs, start, end }: Stretch): Link[] {
  const { segmentBytes } = log.view;
  const links: Link[] = [];
  const seen = new Set<string>();
  for (const held of log.streams) {
    for (const piece of held.pieces) {
      const range = rangeOf(piece, segmentBytes);
      if (!range || range.end <= start || range.start >= end) continue;
      const leg = legs.find(({ timeline }) => timeline === range.timeline);
      if (!leg || range.end <= leg.start || (leg.end !== null && range.start >= leg.end)) continue;
      const key = `${piece.unit}-${piece.from}-${piece.to}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const cut = leg.end !== null && leg.end < range.end ? leg.end : null;
      const skip = range.start < start ? start : null;
      links.push({ held, piece, start: range.start, end: cut ?? range.end, cut, skip });
    }
  }
  return links.sort((a, b) => (a.end < b.end ? -1 : a.end > b.end ? 1 : a.start < b.start ? -1 : 1));
}

const isTransaction = (mark: WalMark): boolean => mark.kind !== 'restore-point';
const toUs = (ms: number): bigint => BigInt(Math.floor(ms * 1000));

export function createLogReader(log: ClusterLog): LogReader {
  const { segmentBytes } = log.view;
  const commitTimes = new Map<string, Promise<CommitTimes | null>>();

  /** null where it is damaged or gone: another piece may answer. */
  async function load(link: Link): Promise<LoadedPiece | null> {
    try {
      return await loadPiece(link.held.place, link.held.stream, link.piece);
    } catch (error) {
      if (!hasCode(error, 'journal-damaged', 'storage-missing-file')) throw error;
      return null;
    }
  }

  function scan(link: Link, bytes: Buffer): CommitTimes | null {
    const marks = createWalScanner({ segmentBytes })
      .feed(link.start, bytes)
      .filter(
        (mark) =>
          isTransaction(mark) &&
          (link.cut === null || mark.endLsn <= link.cut) &&
          (link.skip === null || mark.lsn >= link.skip),
      );
    if (marks.length === 0) return null;
    const times = marks.map(({ timeMs }) => timeMs);
    return { first: times[0]!, last: times.reduce((a, b) => Math.max(a, b)) };
  }

  async function readTimes(link: Link): Promise<CommitTimes | null> {
    const loaded = await load(link);
    if (!loaded) return null;
    const { firstCommitMs, lastCommitMs } = loaded.facts;
    // Facts may be null because nobody looked.
    if (link.cut !== null || link.skip !== null || firstCommitMs === null || lastCommitMs === null)
      return scan(link, loaded.bytes);
    return { first: firstCommitMs, last: lastCommitMs };
  }

  function timesOf(link: Link): Promise<CommitTimes | null> {
    const { unit, from, to } = link.piece;
    const key = `${unit}-${from}-${to}-${link.skip ?? ''}`;
    let times = commitTimes.get(key);
    if (!times) {
      times = readTimes(link);
      commitTimes.set(key, times);
    }
    return times;
  }

  /** The last commit at or before a link; null where the stretch has none up to there. */
  async function lastUpTo(links: readonly Link[], index: number): Promise<number | null> {
    for (let at = index; at >= 0; at--) {
      const times = await timesOf(links[at]!);
      if (times) return times.last;
    }
    return null;
  }

  return {
    async commitAfter(stretch, microseconds, atOrAfter) {
      const links = linksOf(log, stretch);
      const isLater = (ms: number | null): boolean =>
        ms !== null && (atOrAfter ? toUs(ms) - slackUs >= microseconds : toUs(ms) - slackUs > microseconds);
      let low = 0;
      let high = links.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (isLater(await lastUpTo(links, middle))) high = middle;
        else low = middle + 1;
      }
      const link = links[low];
      if (!link) return null;
      return link.end < stretch.end ? link.end : stretch.end;
    },

    async completeUntilMs(stretch) {
      const links = linksOf(log, stretch).filter(({ end, cut }) => end >= stretch.end && cut === null);
      const { timeline } = stretch.legs[stretch.legs.length - 1]!;
      let latest = quietUntilMs(log.heartbeats, timeline, stretch.end);
      for (const link of links) {
        const sentMs = (await load(link))?.facts.sentMs ?? null;
        if (sentMs !== null && (latest === null || sentMs > latest)) latest = sentMs;
      }
      return latest;
    },

    async recordFrom(stretch, lsn) {
      const scanner = createWalScanner({ segmentBytes });
      const unit = BigInt(segmentBytes);
      const last = (stretch.end - 1n) / unit;
      // A record that ends in the last segment may begin in the one before.
      const wanted = lsn / unit < last ? lsn / unit : last - 1n;
      const first = wanted * unit > stretch.start ? wanted : stretch.start / unit;
      for (let number = first; number <= last; number++) {
        const from = stretch.start > number * unit ? scanStart(log, stretch) : number * unit;
        const needFrom = Number(from - number * unit);
        const { bytes, end } = await composeUnit(log, stretch.legs, number, stretch.end, null, needFrom);
        scanner.feed(from, bytes.subarray(needFrom, end));
        if (scanner.lastRecord !== null && scanner.lastRecord >= lsn) return true;
      }
      return false;
    },

    async lastCommitMs(stretch) {
      const links = linksOf(log, stretch);
      return lastUpTo(links, links.length - 1);
    },

    async find(stretch, mark) {
      const scanner = createWalScanner({ segmentBytes });
      const unit = BigInt(segmentBytes);
      for (let number = stretch.start / unit; number * unit < stretch.end; number++) {
        const segmentStart = number * unit;
        const from = stretch.start > segmentStart ? scanStart(log, stretch) : segmentStart;
        const needFrom = Number(from - segmentStart);
        const { bytes, end } = await composeUnit(log, stretch.legs, number, stretch.end, null, needFrom);
        const marks = scanner.feed(from, bytes.subarray(needFrom, end));
        const found = marks.find((each) => each.lsn >= stretch.start && isSought(each, mark));
        if (found) return { lsn: found.lsn, endLsn: found.endLsn, timeMs: found.timeMs };
        if (scanner.stopped && scanner.stopped.lsn < stretch.end && end === segmentBytes)
          throw damagedLog(scanner.stopped, stretch);
      }
      return null;
    },
  };
}

/** Records are found from the beginning of a page on, so the one before the stretch is taken along where it is held. */
function scanStart(log: ClusterLog, { legs, start }: Stretch): Lsn {
  const page = start - (start % pageBytes);
  const held = heldAlong(legs, log.view.ranges);
  return held.some((each) => each.start <= page && start < each.end) ? page : start;
}

function isSought(mark: WalMark, sought: SoughtMark): boolean {
  if (sought.kind === 'name') return mark.kind === 'restore-point' && mark.name === sought.name;
  return mark.kind !== 'restore-point' && BigInt(mark.xid) === (sought.xid & 0xffffffffn);
}

function damagedLog(stopped: { lsn: Lsn; reason: string }, { legs }: Stretch): LifeboatError {
  const { timeline } = legAt(legs, stopped.lsn);
  return new LifeboatError(
    'journal-damaged',
    `the log of timeline ${timeline} cannot be read on from ${formatLsn(stopped.lsn)}: ${stopped.reason}`,
  );
}
