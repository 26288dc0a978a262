import { hasCode, type LifeboatError } from '../../core/errors.ts';
import { coverageOf } from '../../journal/coverage.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { type Heartbeat, loadHeartbeat } from '../../journal/heartbeat.ts';
import { loadHistory } from '../../journal/history.ts';
import { type ListedStream, listJournal } from '../../journal/list.ts';
import { loadPiece } from '../../journal/load.ts';
import { parseHistory, type Timeline, type TimelineSwitch } from '../../model/wal.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { type BackupPoint, backupPointOf } from './backup-points.ts';
import type { ClusterView } from './source-view.ts';

/** A repository to recover from: its snapshots and its journal. */
export interface RecoveryPlace {
  readonly name: string;
  readonly repository: Repository;
  readonly journal: JournalPlace;
}

/** A stream of one place, with what was listed of it. */
export interface HeldStream extends ListedStream {
  readonly place: JournalPlace;
}

/** The log of one cluster in all places, and what is known of it by name. */
export interface ClusterLog {
  readonly view: ClusterView;
  readonly streams: readonly HeldStream[];
  /** As the server wrote them, to be given back to it. */
  readonly historyFiles: ReadonlyMap<Timeline, Buffer>;
  readonly heartbeats: readonly Heartbeat[];
}

export interface SourceHoldings {
  /** The cluster with the newest backup first. */
  readonly clusters: readonly ClusterLog[];
  /** Things that could not be read; the others serve. */
  readonly problems: readonly LifeboatError[];
}

/** PostgreSQL's default; clusters with other segments say so in each piece. */
const segmentBytesDefault = 16 * 1024 * 1024;

async function segmentBytesOf(streams: readonly HeldStream[], problems: LifeboatError[]): Promise<number> {
  for (const { place, stream, pieces } of streams) {
    // The last ones are the least likely to be compacted away meanwhile.
    for (const piece of pieces.slice(-3).reverse()) {
      try {
        return (await loadPiece(place, stream, piece)).facts.unitBytes;
      } catch (error) {
        if (!hasCode(error, 'journal-damaged', 'storage-missing-file')) throw error;
        problems.push(error);
      }
    }
  }
  return segmentBytesDefault;
}

async function readHistories(
  streams: readonly HeldStream[],
  problems: LifeboatError[],
): Promise<{ histories: Map<Timeline, readonly TimelineSwitch[]>; files: Map<Timeline, Buffer> }> {
  const histories = new Map<Timeline, readonly TimelineSwitch[]>();
  const files = new Map<Timeline, Buffer>();
  for (const held of streams) {
    for (const timeline of new Set(held.histories.map((each) => each.timeline))) {
      if (files.has(timeline)) continue;
      try {
        const content = await loadHistory(held.place, held.stream, timeline, held.histories);
        const switches = content && parseHistory(content.toString('utf8'));
        if (!content || !switches) continue;
        files.set(timeline, content);
        histories.set(timeline, switches);
      } catch (error) {
        if (!hasCode(error, 'journal-damaged')) throw error;
        problems.push(error);
      }
    }
  }
  return { histories, files };
}

async function readHeartbeats(
  streams: readonly HeldStream[],
  problems: LifeboatError[],
): Promise<Heartbeat[]> {
  const heartbeats: Heartbeat[] = [];
  for (const { place, stream } of streams) {
    try {
      const heartbeat = await loadHeartbeat(place, stream);
      if (heartbeat) heartbeats.push(heartbeat);
    } catch (error) {
      if (!hasCode(error, 'journal-damaged')) throw error;
      problems.push(error);
    }
  }
  return heartbeats;
}

/**
 * Reads from all places what there is of a source: snapshots' tags, names of the journal's pieces, histories.
 * @throws LifeboatError errors of the storages; `journal-conflict` where places contradict each other.
 */
export async function readHoldings(
  places: readonly RecoveryPlace[],
  source: string,
): Promise<SourceHoldings> {
  const problems: LifeboatError[] = [];
  const backups: BackupPoint[] = [];
  const streams: HeldStream[] = [];
  for (const { name, repository, journal } of places) {
    const { snapshots, broken } = await listSnapshots(repository, true);
    problems.push(...broken.values());
    backups.push(...snapshots.flatMap((snapshot) => backupPointOf(snapshot, name, source) ?? []));
    for (const listed of await listJournal(journal, source)) streams.push({ ...listed, place: journal });
  }
  const systems = new Set([
    ...backups.map(({ system }) => system),
    ...streams.map(({ stream }) => stream.stream),
  ]);
  const clusters: ClusterLog[] = [];
  for (const system of systems) {
    const own = streams.filter(({ stream }) => stream.stream === system);
    const { histories, files } = await readHistories(own, problems);
    const segmentBytes = await segmentBytesOf(own, problems);
    const heartbeats = await readHeartbeats(own, problems);
    const pieces = own.flatMap((each) => each.pieces);
    const view: ClusterView = {
      source,
      system,
      segmentBytes,
      backups: backups.filter((each) => each.system === system).sort((a, b) => a.stopMs - b.stopMs),
      ranges: coverageOf(pieces, segmentBytes),
      histories,
    };
    clusters.push({ view, streams: own, historyFiles: files, heartbeats });
  }
  const newestMs = ({ view }: ClusterLog): number => view.backups[view.backups.length - 1]?.stopMs ?? 0;
  clusters.sort((a, b) => newestMs(b) - newestMs(a));
  return { clusters, problems };
}
