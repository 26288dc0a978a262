import { coverageOf } from '../../../journal/coverage.ts';
import type { JournalPlace } from '../../../journal/envelope.ts';
import type { JournalSink } from '../../../journal/events.ts';
import { saveHistory } from '../../../journal/history.ts';
import { listPieces } from '../../../journal/list.ts';
import { fillFrom } from '../../../journal/resume.ts';
import type { JournalStream } from '../../../model/journal.ts';
import type { Lsn, WalRange } from '../../../model/wal.ts';
import { otherCluster } from '../known-streams.ts';
import {
  continueAfter,
  earliest,
  newerTimeline,
  type ServerTimeline,
  type StartPoint,
  startOfSegment,
  timelineAt,
} from './plan-start.ts';
import type { KnownServer } from './server.ts';

/** Brings the places to one state, and finds from where on the log is needed. */

export interface Prepared {
  /** null: nothing is there yet, so from where the slot begins. */
  readonly point: StartPoint | null;
}

export async function preparePlaces(
  places: readonly JournalPlace[],
  stream: JournalStream,
  server: KnownServer,
  sink: JournalSink,
): Promise<Prepared> {
  await saveHistories(places, stream, server);
  const { unitBytes } = server;
  const coverages = await Promise.all(places.map((place) => coverage(place, stream, unitBytes)));
  for (const ranges of coverages) requireNotBehind(stream, ranges, server.timeline);
  for (const [index, place] of places.entries()) {
    const own = coverages[index]!;
    const after = continueAfter(own, server.timeline, unitBytes);
    // A place without any of it begins with what comes: what is older is of no use to its backups.
    if (after === null) continue;
    for (const [other, ranges] of coverages.entries()) {
      const theirs = other === index ? null : continueAfter(ranges, server.timeline, unitBytes);
      if (theirs === null || earliest([theirs, after]) === theirs) continue;
      await fillFrom(place, places[other]!, stream, { unitBytes, from: after.start, sink });
      coverages[index] = await coverage(place, stream, unitBytes);
    }
  }
  const points = coverages.flatMap((ranges) => continueAfter(ranges, server.timeline, unitBytes) ?? []);
  return { point: earliest(points) };
}

export async function saveHistories(
  places: readonly JournalPlace[],
  stream: JournalStream,
  { histories }: Pick<KnownServer, 'histories'>,
): Promise<void> {
  for (const place of places)
    for (const { timeline, content } of histories) await saveHistory(place, stream, timeline, content);
}

async function coverage(place: JournalPlace, stream: JournalStream, unitBytes: number): Promise<WalRange[]> {
  return coverageOf(await listPieces(place, stream), unitBytes);
}

/** @throws LifeboatError `wal-other-cluster` for a server that was left behind, such as the old primary. */
export function requireNotBehind(
  { source, stream }: JournalStream,
  ranges: readonly WalRange[],
  server: ServerTimeline,
): void {
  const newer = newerTimeline(ranges, server);
  if (newer === null) return;
  throw otherCluster(source, `${stream} on timeline ${newer}`, `${stream} on timeline ${server.timeline}`);
}

/** Where a slot begins, as a whole segment. */
export function slotStart(restart: Lsn, server: KnownServer): StartPoint {
  const start = startOfSegment(restart, server.unitBytes);
  return { timeline: timelineAt(restart, server.timeline), start };
}
