import type { JournalPlace } from '../../journal/envelope.ts';
import { listSources } from '../../journal/list.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { Repository } from '../../repository/repository.ts';
import { isOfSource } from '../status/scan-repository.ts';
import { planJournal } from './copy-journal.ts';
import { selectForCopy } from './select.ts';

/** A repository of a copy, on either side. */
export interface CopyPlace {
  readonly name: string;
  readonly repository: Repository;
  readonly journal: JournalPlace;
  /** Aborts when its lock is lost. */
  readonly signal: AbortSignal;
}

/** A place with its snapshots. */
export interface ListedPlace {
  readonly place: CopyPlace;
  readonly snapshots: readonly StoredSnapshot[];
}

export interface PlannedSnapshots {
  readonly target: string;
  /** Oldest first. */
  readonly copy: readonly StoredSnapshot[];
  readonly alreadyThere: number;
}

/** Which snapshots each target lacks. @param chosen those of the source that are to be copied. */
export function planSnapshots(
  chosen: readonly StoredSnapshot[],
  sources: readonly string[] | null,
  targets: readonly ListedPlace[],
): PlannedSnapshots[] {
  const wanted = chosen.filter((each) => sources === null || sources.some((name) => isOfSource(each, name)));
  return targets.map(({ place, snapshots }) => {
    const { copy, skip } = selectForCopy(wanted, snapshots);
    return { target: place.name, copy, alreadyThere: skip.length };
  });
}

/** Sources whose journal goes along. Of everything, those that the place has a journal of. */
export async function journaledSources(
  from: CopyPlace,
  sources: readonly string[] | null,
  hasJournal: (source: string) => boolean,
): Promise<string[]> {
  return sources === null ? listSources(from.journal) : sources.filter(hasJournal);
}

export interface PlannedJournal {
  readonly target: string;
  readonly source: string;
  readonly pieces: number;
  /** Bytes of log in them. */
  readonly bytes: number;
}

/** What a target lacks of a source's journal, for a dry run. @throws LifeboatError errors of the storages. */
export async function describeJournal(
  from: CopyPlace,
  target: CopyPlace,
  source: string,
): Promise<PlannedJournal> {
  const pieces = (await planJournal(from.journal, target.journal, source)).flatMap((each) => each.pieces);
  const bytes = pieces.reduce((sum, piece) => sum + piece.to - piece.from, 0);
  return { target: target.name, source, pieces: pieces.length, bytes };
}
