import { LifeboatError } from '../../core/errors.ts';
import type { JournalPlace } from '../../journal/envelope.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { parseConfig } from '../../repository/config.ts';
import { configKey, keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { unpackedFiles } from '../../repository/unpacked.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { copySnapshots } from '../copy/copy.ts';
import { copyJournal } from '../copy/copy-journal.ts';
import { selectForCopy } from '../copy/select.ts';
import type { ExportManifest } from '../export/manifest.ts';
import { journalPlaces } from '../journal/journal-places.ts';
import type { ByteInput } from './byte-input.ts';
import {
  type ExportStart,
  type Handling,
  type ReadExportEvents,
  type ReceivedExport,
  readExport,
} from './read-export.ts';
import type { ScratchFolder } from './spool.ts';
import { openPackTaker, type PackTaker } from './take-packs.ts';
import { type VerifiedExport, verifyExport } from './verify-export.ts';

/** `verified`: nothing was to be imported. */
export type ImportMode = 'verbatim' | 're-encrypted' | 'verified';

export interface ImportEvents extends ReadExportEvents {
  /** Told before the first pack comes. */
  readonly onStart?: (manifest: ExportManifest, mode: ImportMode) => void;
  /** Everything was read and has the right hash; now it is seen whether it fits together. */
  readonly onRead?: () => void;
  /** Packs of the export that are about to be re-encrypted. */
  readonly onPacks?: (total: number) => void;
  readonly onPack?: () => void;
  readonly onPacksEnd?: () => void;
}

export interface ImportRequest {
  /** One medium after another, in the order of the volumes; null after the last. */
  readonly nextInput: () => Promise<ByteInput | null>;
  /** Whether all of them lie on a disk and can be read again. */
  readonly canReadAgain: boolean;
  /** Where to; null only to verify. Locked by the caller. */
  readonly destination: Repository | null;
  readonly verifyOnly: boolean;
  /** Opens the export with its own password, or says that there is none with `export-key-missing`. */
  readonly openWithPassword: (storage: Repository['storage']) => Promise<Repository>;
  /** @throws LifeboatError `scratch-full` where there is less room than that. */
  readonly makeScratch: (bytes: number) => ScratchFolder;
  readonly compression?: Compression | undefined;
  readonly packBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly events?: ImportEvents | undefined;
}

export interface ImportReport {
  readonly set: string;
  readonly mode: ImportMode;
  readonly volumes: number;
  /** Of all files of the export. */
  readonly bytes: number;
  readonly packs: number;
  /** Of a verbatim import: packs that were not there, and their bytes. */
  readonly packsStored: number;
  readonly bytesStored: number;
  /** In the export, oldest first as listed there. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Each that was not there before, with its ID in the destination. */
  readonly imported: readonly { readonly source: StoredSnapshot; readonly id: Id }[];
  readonly skipped: readonly { readonly source: StoredSnapshot; readonly id: Id }[];
  readonly journalSources: readonly string[];
  readonly journalPieces: number;
}

/**
 * Reads an export once from beginning to end, verifies all of it, and then makes its snapshots visible in the destination.
 * With the same key packs are stored as they come, where nobody sees them before the index tells of them; with another key all
 * of it is copied afterwards, from the volumes themselves or, where these cannot be read twice, from a scratch folder.
 *
 * @throws LifeboatError as `readExport`, `verifyExport` and `copySnapshots`.
 */
export async function importExport(request: ImportRequest): Promise<ImportReport> {
  const { destination, signal, events = {} } = request;
  let taker: PackTaker | null = null;
  let mode: ImportMode = 'verified';
  let scratch: ScratchFolder | null = null;

  async function begin(start: ExportStart): Promise<Handling> {
    const { manifest } = start;
    const sameKey = destination && (await withKeyOf(destination, start.storage));
    const repository = sameKey ?? (await request.openWithPassword(start.storage));
    if (!request.verifyOnly && destination !== null) mode = sameKey ? 'verbatim' : 're-encrypted';
    events.onStart?.(manifest, mode);
    const keep = mode === 're-encrypted' ? 'all' : 'trees';
    const { bytes, treeBytes, journalBytes } = manifest.expected;
    if (!request.canReadAgain)
      scratch = request.makeScratch(keep === 'all' ? bytes : treeBytes + journalBytes + treeBytesSpare);
    if (mode === 'verbatim') taker = await openPackTaker(destination!);
    const take = async (pack: Parameters<PackTaker['take']>[0]): Promise<void> => taker?.take(pack);
    return { repository, keep, scratch, take };
  }

  try {
    const received = await readExport(request.nextInput, begin, { signal, events });
    events.onRead?.();
    const verified = await verifyExport(received, signal);
    signal?.throwIfAborted();
    const brought = await bringOver(request, received, verified, taker);
    return {
      set: received.manifest.set,
      mode,
      volumes: received.volumes,
      bytes: received.bytes,
      packs: received.packs.size,
      snapshots: verified.snapshots,
      ...brought,
    };
  } finally {
    await (taker as PackTaker | null)?.settle();
    (scratch as ScratchFolder | null)?.remove();
  }
}

/** Index and snapshot files that are kept beside packs of trees. */
const treeBytesSpare = 64 * 1024 * 1024;

/** The export as a repository, if it has the very key of another one; null otherwise. */
async function withKeyOf(
  { master, sealer, keyId }: Repository,
  storage: Repository['storage'],
): Promise<Repository | null> {
  const stored = await storage.load(configKey);
  const opened = sealer.open(stored);
  if (!opened) return null;
  const config = parseConfig(opened, storage.location);
  return {
    storage,
    config,
    master,
    keyId,
    sealer,
    files: unpackedFiles(storage, sealer, () => config.version),
  };
}

type Brought = Pick<
  ImportReport,
  'packsStored' | 'bytesStored' | 'imported' | 'skipped' | 'journalSources' | 'journalPieces'
>;

async function bringOver(
  { destination, verifyOnly, signal, events = {}, compression, packBytes }: ImportRequest,
  received: ReceivedExport,
  { index, snapshots }: VerifiedExport,
  taker: PackTaker | null,
): Promise<Brought> {
  const sources = await journalSourcesOf(received.repository);
  const nothing = { packsStored: 0, bytesStored: 0, imported: [], skipped: [], journalPieces: 0 };
  if (destination === null || verifyOnly) return { ...nothing, journalSources: sources };
  const there = (await listSnapshots(destination)).snapshots;
  const { copy, skip } = selectForCopy(snapshots, there);
  const skipped = skip.map(({ source, copied }) => ({ source, id: copied.id }));
  const from = received.repository;
  const journalPieces = await copyJournals(from, destination, sources, signal);
  if (taker) {
    await taker.finish(index);
    const imported: Brought['imported'][number][] = [];
    for (const source of copy) {
      signal?.throwIfAborted();
      const key = keyOf('snapshots', source.id);
      await destination.storage.save(key, [await from.storage.load(key)], { sha256: source.id });
      imported.push({ source, id: source.id });
    }
    const { stored, storedBytes } = taker.counts();
    return {
      packsStored: stored,
      bytesStored: storedBytes,
      imported,
      skipped,
      journalSources: sources,
      journalPieces,
    };
  }
  const { copied, packs, packedBytes } = await copySnapshots(from, destination, copy, {
    events,
    ...(signal ? { signal } : {}),
    ...(compression === undefined ? {} : { compression }),
    ...(packBytes === undefined ? {} : { packBytes }),
  });
  const imported = copied.map(({ source, copy: id }) => ({ source, id }));
  return {
    ...{ imported, skipped, journalSources: sources, journalPieces },
    packsStored: packs,
    bytesStored: packedBytes,
  };
}

async function journalSourcesOf({ storage }: Repository): Promise<string[]> {
  const listed = await storage.list('lifeboat/journal/');
  return [...new Set(listed.map(({ key }) => key.split('/')[2]!))].sort();
}

/** Log comes before the snapshots that may need it. @returns how many pieces were not there. */
async function copyJournals(
  from: Repository,
  to: Repository,
  sources: readonly string[],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (sources.length === 0) return 0;
  const open = journalPlaces([
    { name: from.storage.location, repository: from },
    { name: to.storage.location, repository: to },
  ]);
  const [source, target] = open.places as [JournalPlace, JournalPlace];
  let pieces = 0;
  try {
    for (const name of sources) {
      const report = await copyJournal(source, [{ place: target, ...(signal ? { signal } : {}) }], name);
      const [outcome] = report.outcomes;
      if (outcome!.failure !== null) throw outcome!.failure;
      const [problem] = report.problems;
      if (problem)
        throw new LifeboatError('export-damaged', `the journal of ${name} is damaged: ${problem.message}`);
      pieces += outcome!.pieces;
    }
  } finally {
    await open.close();
  }
  return pieces;
}
