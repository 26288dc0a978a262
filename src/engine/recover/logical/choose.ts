import { LifeboatError } from '../../../core/errors.ts';
import { postgresTags, tagValue } from '../../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../../model/snapshot.ts';
import { millisecondsOf } from '../../../model/time.ts';
import { findSnapshot } from '../../../policy/snapshot-selection.ts';

/** Which logical snapshot a restore takes. */

export interface LogicalChoice {
  readonly source: string;
  /** Only what was complete by then, milliseconds since 1970; null: the newest. */
  readonly notAfterMs: number | null;
  /** ID of a snapshot, or the beginning of one; may name a safety backup as well. */
  readonly snapshot: string | null;
}

/** When the snapshot was complete; null where it is none of this source. */
function completeMs({ tags }: StoredSnapshot, source: string): number | null {
  if (tagValue(tags, postgresTags.source) !== source) return null;
  if (tagValue(tags, postgresTags.kind) !== 'postgres-logical') return null;
  const stop = tagValue(tags, postgresTags.stopTime);
  return stop === null ? null : millisecondsOf(stop);
}

/** @throws LifeboatError `snapshot-missing` with what there is. */
export function chooseLogicalSnapshot(
  snapshots: readonly StoredSnapshot[],
  { source, notAfterMs, snapshot }: LogicalChoice,
): StoredSnapshot {
  if (snapshot !== null) return findSnapshot(snapshots, snapshot).snapshot;
  const points = snapshots
    .flatMap((each) => {
      const stopMs = completeMs(each, source);
      return stopMs === null ? [] : [{ snapshot: each, stopMs }];
    })
    .sort((a, b) => a.stopMs - b.stopMs);
  const found = points.findLast(({ stopMs }) => notAfterMs === null || stopMs <= notAfterMs);
  if (found) return found.snapshot;
  const first = points[0];
  throw new LifeboatError(
    'snapshot-missing',
    first
      ? `there is no logical snapshot of ${source} from before ${new Date(notAfterMs!).toISOString()}`
      : `there is no logical snapshot of ${source}`,
    first ? { hint: `the oldest was complete at ${new Date(first.stopMs).toISOString()}` } : {},
  );
}
