import type { JournalPlace } from '../../../journal/envelope.ts';
import type { JournalSink } from '../../../journal/events.ts';
import { createSliceWriter, type SliceWriter } from '../../../journal/writer.ts';
import type { JournalStream } from '../../../model/journal.ts';
import { type Lsn, segmentBefore, segmentName, type Timeline } from '../../../model/wal.ts';
import type { WalMessage } from '../../../sources/postgres/replication/wal-stream.ts';
import { createWalScanner } from '../../../sources/postgres/wal/scanner.ts';
import { createCommitTimes } from '../commit-times.ts';
import { createLagMeter } from './lag.ts';
import { startOfSegment } from './plan-start.ts';

/** The log of one timeline on its way into the places. */
export interface Lane {
  readonly timeline: Timeline;
  /** @param clockTells false for a standby, which does not know how far its primary's log goes. */
  take(message: Extract<WalMessage, { kind: 'data' }>, clockTells: boolean): Promise<void>;
  /** Where streaming has to begin so that nothing is missing and the times of commits are known. */
  streamFrom(): Lsn;
  position(): Lsn;
  durable(): Lsn;
  lagMs(): number;
  readonly writer: SliceWriter;
}

export interface LaneOptions {
  readonly places: readonly JournalPlace[];
  readonly stream: JournalStream;
  readonly timeline: Timeline;
  readonly start: Lsn;
  readonly unitBytes: number;
  readonly blockBytes: number;
  readonly maxLagMs: number;
  readonly sliceBytesMax: number;
  readonly sink: JournalSink;
  /** Told of each unit once its last byte is durable. */
  readonly onWholeUnit: (unit: string) => void;
}

/** Read again before the start, for the records that reach across it. */
const readAgainBytes = 1024n * 1024n;

export function createLane(options: LaneOptions): Lane {
  const { timeline, unitBytes, blockBytes, start } = options;
  const scanner = createWalScanner({ segmentBytes: unitBytes, blockBytes });
  const times = createCommitTimes();
  const lag = createLagMeter();
  let wholeUpTo = startOfSegment(start, unitBytes);
  let received = false;

  const writer = createSliceWriter({
    places: options.places,
    stream: options.stream,
    timeline,
    start,
    unitBytes,
    maxLagMs: options.maxLagMs,
    sliceBytesMax: options.sliceBytesMax,
    describe: (from, to) => times.take(from, to),
    sink: (event) => {
      options.sink(event);
      if (event.kind === 'durable') tellWholeUnits(event.durable);
    },
  });

  function tellWholeUnits(durable: Lsn): void {
    for (;;) {
      const end = wholeUpTo + BigInt(unitBytes);
      if (end > durable) return;
      wholeUpTo = end;
      options.onWholeUnit(segmentName(segmentBefore(timeline, end, unitBytes), unitBytes));
    }
  }

  return {
    timeline,
    writer,
    async take({ lsn, bytes, serverEnd, sentMs }, clockTells) {
      received = true;
      times.add(scanner.feed(lsn, bytes));
      const end = lsn + BigInt(bytes.length);
      lag.arrived(end);
      // Only where the server has nothing more does its clock say how far the log goes.
      await writer.append(lsn, bytes, { sentMs: clockTells && end >= serverEnd ? sentMs : null });
    },
    streamFrom() {
      const position = writer.position();
      if (received) return position;
      const again = position - readAgainBytes;
      const segment = startOfSegment(position, unitBytes);
      return again > segment ? again - (again % BigInt(blockBytes)) : segment;
    },
    position: () => writer.position(),
    durable: () => writer.durable(),
    lagMs: () => lag.lagMs(writer.durable()),
  };
}
