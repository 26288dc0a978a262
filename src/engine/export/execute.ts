import { createHash, hash, randomBytes, webcrypto } from 'node:crypto';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { formatTime } from '../../model/time.ts';
import { openBlobStore } from '../../repository/blob-store.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { entriesOf } from '../../repository/index/rewrite.ts';
import { createIndexWriter } from '../../repository/index/writer.ts';
import { configKey, keyOf } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { transferBlobs } from '../transfer/transfer-blobs.ts';
import { createExportWriter, type ExportWriter, type WrittenVolume } from './export-writer.ts';
import { eachJournalObject } from './journal-objects.ts';
import { type ExportManifest, type ExportTotals, encodeManifest, sealContents } from './manifest.ts';
import { type ExportedKind, manifestName, noFiles } from './names.ts';
import type { ExportPlan, WholePack } from './plan.ts';
import { type Streamed, streamView } from './stream-view.ts';
import type { VolumeOutput } from './volume-output.ts';

export interface ExportSettings {
  readonly output: VolumeOutput;
  readonly recordBytes: number;
  readonly volumeBytes: number | null;
  /** Name and version of the program, for the manifest. */
  readonly program: string;
  readonly packBytes?: number | undefined;
  readonly compression?: Compression | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly events?: ExportEvents | undefined;
}

export interface ExportEvents {
  /** How much was written so far: packs and bytes, of about as many as the plan says. */
  readonly onProgress?: (packs: number, bytes: number) => void;
  /** A pack that is damaged or missing: what is needed of it is looked for in other packs. */
  readonly onDamagedPack?: (pack: Id, why: string) => void;
  /** It failed, and this could not be undone. */
  readonly onLeft?: (message: string) => void;
}

export interface ExportReport {
  readonly set: string;
  readonly snapshots: readonly Id[];
  readonly totals: ExportTotals;
  /** Packs that were taken as they are, and that were written anew. */
  readonly wholePacks: number;
  readonly newPacks: number;
  readonly volumes: readonly WrittenVolume[];
  /** Of all volumes. */
  readonly bytes: number;
}

/** Packs on their way from the storage. */
const aheadBytesMax = 96 * 1024 * 1024;

/**
 * Writes an export. Where it fails, what was written is removed as far as that is possible.
 * @throws LifeboatError `repository-damaged` for what cannot be read, `export-failed` and `export-exists` of the output,
 * `usage` where an entry is too large for a volume.
 */
export async function executeExport(
  repository: Repository,
  index: BlobIndex,
  plan: ExportPlan,
  settings: ExportSettings,
): Promise<ExportReport> {
  try {
    return await writeExport(repository, index, plan, settings);
  } catch (error) {
    const left = await settings.output.abandon();
    if (left !== null) settings.events?.onLeft?.(left);
    throw error;
  }
}

async function writeExport(
  repository: Repository,
  index: BlobIndex,
  plan: ExportPlan,
  settings: ExportSettings,
): Promise<ExportReport> {
  const { output, recordBytes, volumeBytes, signal, events = {} } = settings;
  const { storage } = repository;
  const set = randomBytes(16).toString('hex');
  const seconds = Math.floor(Date.now() / 1000);
  const writer = createExportWriter({ output, set, seconds, recordBytes, volumeBytes });
  const files = noFiles();
  let contentBytes = 0;
  const add = async (kind: ExportedKind, key: string, parts: readonly Uint8Array[]): Promise<void> => {
    signal?.throwIfAborted();
    await writer.add(key, parts);
    files[kind]++;
    contentBytes += parts.reduce((sum, { length }) => sum + length, 0);
    events.onProgress?.(files.data, writer.bytes());
  };

  const config = await storage.load(configKey);
  const keys = await Promise.all(
    (await listFiles(storage, 'keys')).map(({ id }) => loadNamed(repository, 'keys', id)),
  );
  const manifestWith = (totals: ExportTotals | null): Buffer => {
    const snapshots = plan.snapshots.map(({ id }) => id);
    const manifest: ExportManifest = {
      set,
      created: formatTime(seconds, 0, 0),
      program: settings.program,
      recordBytes,
      volumeBytes,
      snapshots,
      configSha256: hash('sha256', config),
      expected: {
        packs: plan.packs,
        bytes: plan.bytes,
        treeBytes: plan.treeBytes,
        journalObjects: plan.journal.length,
        journalBytes: plan.journal.reduce((sum, { size }) => sum + size, 0),
      },
      totals,
      contents: sealContents(repository, { set, snapshots: plan.snapshots, totals }),
    };
    return encodeManifest(manifest);
  };

  await writer.add(manifestName, [manifestWith(null)]);
  await add('config', configKey, [config]);
  for (const { key, bytes } of keys) await add('keys', key, [bytes]);

  const view = streamView(repository, add);
  const taken = await addWholePacks(repository, plan, view, settings);
  const newPacks = await addNewPacks(repository, index, plan, view, taken.damaged, settings);
  await eachJournalObject(repository, plan, (key, bytes) => add('journal', key, [bytes]));
  await view.beginIndex();
  const indexWriter = createIndexWriter(view.repository);
  const entries = entriesOf(
    index,
    taken.whole.map(({ number }) => number),
  );
  for (const { number, id } of taken.whole)
    await indexWriter.add({ id, blobs: Array.from(entries.get(number), index.blobAt) });
  await indexWriter.finish();
  for (const { id } of plan.snapshots) {
    const { key, bytes } = await loadNamed(repository, 'snapshots', id);
    await add('snapshots', key, [bytes]);
  }
  signal?.throwIfAborted();
  let totals: ExportTotals | undefined;
  const volumes = await end(writer, (facts) => {
    totals = { files, bytes: contentBytes, volumes: facts };
    return manifestWith(totals);
  });
  return {
    set,
    snapshots: plan.snapshots.map(({ id }) => id),
    totals: totals!,
    wholePacks: taken.whole.length,
    newPacks,
    volumes,
    bytes: volumes.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

const end = (
  writer: ExportWriter,
  content: (volumes: ExportTotals['volumes']) => Buffer,
): Promise<WrittenVolume[]> => writer.end(manifestName, content);

async function loadNamed(
  { storage }: Repository,
  kind: 'keys' | 'snapshots',
  id: Id,
): Promise<{ readonly key: string; readonly bytes: Buffer }> {
  const key = keyOf(kind, id);
  const bytes = await storage.load(key);
  if (hash('sha256', bytes) !== id)
    throw new LifeboatError(
      'repository-damaged',
      `${key} is damaged: its content has another hash than its name says; nothing was exported`,
    );
  return { key, bytes };
}

/** The digest is computed on another thread, as it would take half of the time of this one. */
async function sha256Of(bytes: Buffer): Promise<string> {
  // A copy of what is not a view of plain memory would cost more than the digest.
  if (!(bytes.buffer instanceof ArrayBuffer)) return createHash('sha256').update(bytes).digest('hex');
  const digest = await webcrypto.subtle.digest('SHA-256', bytes as Buffer<ArrayBuffer>);
  return Buffer.from(digest).toString('hex');
}

interface LoadedPack {
  readonly pack: WholePack;
  /** Null where it is damaged or missing. */
  readonly bytes: Buffer | null;
}

interface TakenPacks {
  readonly whole: readonly WholePack[];
  /** Numbers of packs that are not what their names say. */
  readonly damaged: readonly number[];
}

/** One after another, while the next ones are on their way. */
async function addWholePacks(
  repository: Repository,
  plan: ExportPlan,
  view: Streamed,
  { signal, events = {} }: ExportSettings,
): Promise<TakenPacks> {
  const whole: WholePack[] = [];
  const damaged: number[] = [];
  const ahead: Promise<LoadedPack>[] = [];
  let aheadBytes = 0;
  let next = 0;

  async function load(pack: WholePack): Promise<LoadedPack> {
    const key = keyOf('data', pack.id);
    try {
      const bytes = await repository.storage.load(key);
      if ((await sha256Of(bytes)) === pack.id) return { pack, bytes };
      events.onDamagedPack?.(pack.id, 'its content has another hash than its name says');
    } catch (error) {
      if (!hasCode(error, 'storage-missing-file')) throw error;
      events.onDamagedPack?.(pack.id, 'it does not exist');
    }
    return { pack, bytes: null };
  }

  while (next < plan.whole.length || ahead.length > 0) {
    signal?.throwIfAborted();
    while (
      next < plan.whole.length &&
      (ahead.length === 0 || (aheadBytes < aheadBytesMax && ahead.length <= repository.storage.connections))
    ) {
      const pack = plan.whole[next++]!;
      aheadBytes += pack.bytes;
      const loading = load(pack);
      loading.catch(() => undefined); // told when its turn comes
      ahead.push(loading);
    }
    const { pack, bytes } = await ahead.shift()!;
    aheadBytes -= pack.bytes;
    if (bytes === null) damaged.push(pack.number);
    else {
      await view.add('data', keyOf('data', pack.id), [bytes]);
      whole.push(pack);
    }
  }
  return { whole, damaged };
}

/** Writes what is wanted of packs that are not taken as they are to new ones. @returns how many. */
async function addNewPacks(
  repository: Repository,
  index: BlobIndex,
  plan: ExportPlan,
  view: Streamed,
  damaged: readonly number[],
  { packBytes, compression, signal }: ExportSettings,
): Promise<number> {
  const packs = [...plan.repack, ...damaged];
  if (packs.length === 0) return 0;
  const store = openBlobStore(view.repository, index, {
    ...(packBytes === undefined ? {} : { packBytes }),
    ...(compression === undefined ? {} : { compression }),
  });
  try {
    await transferBlobs({
      from: repository,
      index,
      wanted: plan.used,
      packs,
      store,
      foreign: false,
      consequence: 'nothing was exported',
      signal,
    });
    return (await store.finish()).packs;
  } finally {
    await store.close();
  }
}
