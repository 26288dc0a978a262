import { LifeboatError } from '../../core/errors.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import { listFolder, listStreams } from '../../journal/list.ts';
import type { JournalStream } from '../../model/journal.ts';

/**
 * Refuses a cluster whose log does not belong to the source: once a source has a journal, only the clusters in it
 * are taken, so that a server started by mistake, or a restored copy of another one, cannot put its log there.
 *
 * @param unit of which the log is at hand: its folder is looked at first, as listing everything may take long.
 * @param acceptNew the user said that the cluster was replaced or upgraded.
 * @throws LifeboatError `wal-other-cluster`, and errors of the storage.
 */
export async function checkStream(
  places: readonly JournalPlace[],
  stream: JournalStream,
  options: { readonly unit?: string; readonly acceptNew: boolean },
): Promise<void> {
  const { unit } = options;
  if (unit !== undefined) {
    for (const place of places) if ((await listFolder(place, stream, unit)).length > 0) return;
  }
  const known = new Set<string>();
  for (const place of places)
    for (const each of await listStreams(place, stream.source)) known.add(each.stream);
  if (known.size === 0 || known.has(stream.stream) || options.acceptNew) return;
  throw otherCluster(stream.source, [...known].at(-1)!, stream.stream);
}

export function otherCluster(source: string, expected: string, found: string): LifeboatError {
  return new LifeboatError(
    'wal-other-cluster',
    `the log comes from the cluster with the system identifier ${found}, but the journal of ${source} is that of ${expected}`,
  );
}
