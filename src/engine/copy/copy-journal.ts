import { hasCode, type LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import { compactUnit, planCompaction } from '../../journal/compact.ts';
import { planJournalCopy, type StreamCopy } from '../../journal/copy-plan.ts';
import { contiguousEnd, coverageOf } from '../../journal/coverage.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { loadHeartbeat, saveHeartbeat } from '../../journal/heartbeat.ts';
import { loadHistory, saveHistory } from '../../journal/history.ts';
import { pieceKey } from '../../journal/layout.ts';
import { comparePieces, type ListedStream, listJournal, listUnit } from '../../journal/list.ts';
import { type LoadedPiece, loadPiece } from '../../journal/load.ts';
import { savePiece } from '../../journal/save.ts';
import type { JournalStream, Piece } from '../../model/journal.ts';
import { unitBytesOf } from '../journal/stored-ends.ts';

/** The journal of a source, brought to further repositories: opened, and sealed anew for each. */

export interface JournalTarget {
  readonly place: JournalPlace;
  readonly signal?: AbortSignal;
}

/** What became of a target. */
export interface JournalOutcome {
  readonly name: string;
  readonly pieces: number;
  /** Bytes of log in them. */
  readonly bytes: number;
  readonly histories: number;
  readonly failure: unknown;
}

export interface JournalCopyReport {
  readonly source: string;
  readonly outcomes: readonly JournalOutcome[];
  /** Pieces that no copy could be made of, and no other piece stands in for. */
  readonly problems: readonly LifeboatError[];
}

export interface JournalCopyOptions {
  readonly signal?: AbortSignal;
  readonly onPiece?: (target: string, piece: Piece) => void;
}

/** What is being copied is compacted by others meanwhile: then it is listed again, so often at most. */
const roundsMax = 4;
const bytesUnderWayMax = 128 * 2 ** 20;
const piecesUnderWayMax = 8;

interface Lane {
  readonly place: JournalPlace;
  attempt<T>(step: () => Promise<T>): Promise<T | null>;
  /** All that went in, by stream. */
  readonly saved: Map<string, Piece[]>;
  bytes: number;
  histories: number;
  failure: unknown;
}

function openLane({ place, signal }: JournalTarget): Lane {
  const lane: Lane = {
    place,
    saved: new Map(),
    bytes: 0,
    histories: 0,
    failure: null,
    async attempt(step) {
      if (lane.failure === null && signal?.aborted) lane.failure = signal.reason;
      if (lane.failure !== null) return null;
      try {
        return await step();
      } catch (error) {
        lane.failure ??= error;
        return null;
      }
    },
  };
  return lane;
}

/** What the targets lack of a source's journal. Reads names only. @throws LifeboatError errors of the storages. */
export async function planJournal(
  from: JournalPlace,
  to: JournalPlace,
  source: string,
): Promise<StreamCopy[]> {
  return planJournalCopy(await listJournal(from, source), await listJournal(to, source));
}

/**
 * Copies what each target lacks: histories, then pieces from the oldest on, then the heartbeat that says until when
 * the log is whole. Idempotent; what a killed run has stored is not sent again. A target that fails does not keep
 * the others from getting theirs.
 * @throws LifeboatError errors of the storage that is read.
 */
export async function copyJournal(
  from: JournalPlace,
  targets: readonly JournalTarget[],
  source: string,
  options: JournalCopyOptions = {},
): Promise<JournalCopyReport> {
  const lanes = targets.map(openLane);
  /** Of the source: why a piece cannot be read, by its key; histories and heartbeats by names without a slash. */
  const damaged = new Map<string, LifeboatError>();
  let listed: ListedStream[] = [];
  for (let round = 1; round <= roundsMax; round++) {
    listed = await listJournal(from, source);
    const usable = listed.map((each) => ({
      ...each,
      pieces: each.pieces.filter((piece) => !damaged.has(pieceKey(each.stream, piece))),
    }));
    if (!(await copyRound(from, lanes, usable, damaged, options))) break;
  }
  for (const { stream } of listed)
    await asProblem(stream.stream, damaged, () => copyHeartbeat(from, lanes, stream));
  return {
    source,
    outcomes: lanes.map((lane) => ({
      name: lane.place.name,
      pieces: [...lane.saved.values()].reduce((sum, pieces) => sum + pieces.length, 0),
      bytes: lane.bytes,
      histories: lane.histories,
      failure: lane.failure,
    })),
    problems: [...(await unhealed(lanes, listed, damaged)), ...notPieces(damaged)],
  };
}

/** @returns whether to look again: something was gone, or turned out to be damaged. */
async function copyRound(
  from: JournalPlace,
  lanes: readonly Lane[],
  listed: readonly ListedStream[],
  damaged: Map<string, LifeboatError>,
  options: JournalCopyOptions,
): Promise<boolean> {
  const source = listed[0]?.stream.source;
  if (source === undefined) return false;
  const plans = new Map<Lane, StreamCopy[]>();
  await Promise.all(
    lanes.map((lane) =>
      lane.attempt(async () =>
        plans.set(lane, planJournalCopy(listed, await listJournal(lane.place, source))),
      ),
    ),
  );
  let again = false;
  for (const { stream, histories } of listed) {
    const wanting = [...plans].flatMap(([lane, plan]): [Lane, StreamCopy][] => {
      const own = plan.find((each) => each.stream.stream === stream.stream);
      return own ? [[lane, own]] : [];
    });
    for (const { timeline } of histories) {
      const lacking = wanting.filter(([, plan]) => plan.histories.some((each) => each.timeline === timeline));
      if (lacking.length === 0) continue;
      const name = `${stream.stream} ${timeline}`;
      const content = await asProblem(name, damaged, () => loadHistory(from, stream, timeline, histories));
      for (const [lane] of content ? lacking : [])
        await lane.attempt(async () => {
          if ((await saveHistory(lane.place, stream, timeline, content!)) === 'saved') lane.histories++;
        });
    }
    again = (await copyPieces(from, stream, wanting, damaged, options)) || again;
    for (const [lane, plan] of wanting) await lane.attempt(() => tidy(lane, stream, plan));
  }
  return again;
}

async function copyPieces(
  from: JournalPlace,
  stream: JournalStream,
  wanting: readonly (readonly [Lane, StreamCopy])[],
  damaged: Map<string, LifeboatError>,
  { signal, onPiece }: JournalCopyOptions,
): Promise<boolean> {
  const pieces = [...new Set(wanting.flatMap(([, plan]) => plan.pieces))].sort(comparePieces);
  const largest = pieces.reduce((most, { from: start, to }) => Math.max(most, to - start), 1);
  const atOnce = Math.max(1, Math.min(piecesUnderWayMax, Math.floor(bytesUnderWayMax / largest)));
  let again = false;

  async function read(piece: Piece): Promise<LoadedPiece | null> {
    try {
      return await loadPiece(from, stream, piece);
    } catch (error) {
      if (hasCode(error, 'journal-damaged')) damaged.set(pieceKey(stream, piece), error);
      else if (!hasCode(error, 'storage-missing-file')) throw error;
      again = true;
      return null;
    }
  }

  async function copyOne(piece: Piece): Promise<void> {
    const lacking = wanting.filter(([lane, plan]) => lane.failure === null && plan.pieces.includes(piece));
    const loaded = lacking.length > 0 ? await read(piece) : null;
    if (!loaded) return;
    await Promise.all(
      lacking.map(([lane, plan]) =>
        lane.attempt(async () => {
          const saved = await savePiece(lane.place, stream, loaded.facts, loaded.bytes, {
            existing: plan.there,
          });
          if (saved.status !== 'saved') return;
          lane.saved.set(stream.stream, [...(lane.saved.get(stream.stream) ?? []), saved.piece]);
          lane.bytes += loaded.bytes.length;
          onPiece?.(lane.place.name, saved.piece);
        }),
      ),
    );
  }

  let next = 0;
  await runBounded(atOnce, () => (next < pieces.length ? copyOne(pieces[next++]!) : null), signal);
  return again;
}

/** Where the whole of a unit came to parts of it, the parts go: the copy grows no faster than what it copies. */
async function tidy(lane: Lane, stream: JournalStream, plan: StreamCopy): Promise<void> {
  const parts = new Set(plan.there.map(({ unit }) => unit));
  const units = new Set(
    (lane.saved.get(stream.stream) ?? []).flatMap(({ unit }) => (parts.has(unit) ? [unit] : [])),
  );
  for (const unit of units) {
    const pieces = await listUnit(lane.place, stream, unit);
    if (pieces.length < 2) continue;
    const { unitBytes } = await unitBytesOf(lane.place, stream, pieces);
    try {
      for (const compaction of planCompaction(pieces, unitBytes))
        await compactUnit(lane.place, stream, compaction, unitBytes);
    } catch (error) {
      // Who may add only leaves the parts to those who may delete: `lifeboat wal compact`, or the end of their time.
      if (!hasCode(error, 'storage-append-only', 'storage-denied')) throw error;
      return;
    }
  }
}

/** The heartbeat of the place that is read, where the target has all of the log that it speaks of. */
async function copyHeartbeat(
  from: JournalPlace,
  lanes: readonly Lane[],
  stream: JournalStream,
): Promise<void> {
  const beat = await loadHeartbeat(from, stream);
  if (beat === null) return;
  for (const lane of lanes)
    await lane.attempt(async () => {
      const own = await loadHeartbeat(lane.place, stream);
      if (own !== null && own.sentMs >= beat.sentMs) return;
      const pieces = piecesOf(await listJournal(lane.place, stream.source), stream);
      if (pieces.length === 0) return;
      const { unitBytes } = await unitBytesOf(lane.place, stream, pieces);
      if (contiguousEnd(beat.timeline, beat.lsn, coverageOf(pieces, unitBytes)) === null) return;
      try {
        await saveHeartbeat(lane.place, stream, beat);
      } catch (error) {
        // Where nothing may be replaced the first one stays; the log itself tells of everything but quiet hours.
        if (own === null || !hasCode(error, 'storage-append-only', 'storage-denied')) throw error;
      }
    });
}

function piecesOf(listed: readonly ListedStream[], { stream }: JournalStream): readonly Piece[] {
  return listed.find((each) => each.stream.stream === stream)?.pieces ?? [];
}

/** Damage that matters: log that a target still lacks, as nothing else holds it. */
async function unhealed(
  lanes: readonly Lane[],
  listed: readonly ListedStream[],
  damaged: ReadonlyMap<string, LifeboatError>,
): Promise<LifeboatError[]> {
  const problems = new Set<LifeboatError>();
  const source = listed[0]?.stream.source;
  if (damaged.size === 0 || source === undefined) return [];
  for (const lane of lanes)
    await lane.attempt(async () => {
      for (const { stream, pieces } of planJournalCopy(listed, await listJournal(lane.place, source)))
        for (const piece of pieces) {
          const problem = damaged.get(pieceKey(stream, piece));
          if (problem) problems.add(problem);
        }
    });
  return [...problems];
}

/** Damage of the source ends the copy of what is damaged, not of the rest. */
async function asProblem<T>(
  name: string,
  damaged: Map<string, LifeboatError>,
  step: () => Promise<T>,
): Promise<T | null> {
  try {
    return await step();
  } catch (error) {
    if (!hasCode(error, 'journal-damaged', 'journal-conflict')) throw error;
    damaged.set(name, error);
    return null;
  }
}

function notPieces(damaged: ReadonlyMap<string, LifeboatError>): LifeboatError[] {
  return [...damaged].filter(([key]) => !key.includes('/')).map(([, error]) => error);
}
