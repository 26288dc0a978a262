import type { Id } from '../../model/id.ts';
import { type BackupType, postgresTags, tagValue } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { millisecondsOf } from '../../model/time.ts';
import { type Lsn, parseLsn, type Timeline } from '../../model/wal.ts';

/** A physical snapshot as recovery sees it: a point from which the log can be replayed. */
export interface BackupPoint {
  readonly snapshot: Id;
  /** Name of the repository that holds it. */
  readonly place: string;
  readonly source: string;
  readonly system: string;
  readonly type: BackupType;
  readonly timeline: Timeline;
  /** WAL from here to `stop` is in the snapshot itself. */
  readonly start: Lsn;
  /** The earliest point that it can be recovered to. */
  readonly stop: Lsn;
  /** The server's clock at `stop`, milliseconds since 1970. */
  readonly stopMs: number;
}

const backupTypes: readonly string[] = ['full', 'differential', 'incremental'] satisfies BackupType[];

/** What a snapshot's tags say, or null where it is no whole physical snapshot of the source. */
export function backupPointOf(snapshot: StoredSnapshot, place: string, source: string): BackupPoint | null {
  const value = (key: keyof typeof postgresTags): string | null => tagValue(snapshot.tags, postgresTags[key]);
  if (value('source') !== source || value('kind') !== 'postgres-physical') return null;
  const type = value('type') ?? '';
  const system = value('systemIdentifier');
  const timeline = Number(value('timeline'));
  const start = parseLsn(value('start') ?? '');
  const stop = parseLsn(value('stop') ?? '');
  const stopTime = value('stopTime');
  if (
    !backupTypes.includes(type) ||
    !system ||
    !(timeline >= 1) ||
    start === null ||
    stop === null ||
    !stopTime
  )
    return null;
  return {
    snapshot: snapshot.id,
    place,
    source,
    system,
    type: type as BackupType,
    timeline,
    start,
    stop,
    stopMs: millisecondsOf(stopTime),
  };
}
