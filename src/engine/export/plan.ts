import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { EntrySet } from '../../repository/index/entry-set.ts';
import { compressedEntryBytes, headerFileBytes } from '../../repository/pack.ts';
import { groupByPack } from '../check/indexed-packs.ts';
import { archiveEndBytes } from './export-writer.ts';

/** A pack that is taken as it is. */
export interface WholePack {
  /** In the index. */
  readonly number: number;
  readonly id: Id;
  readonly bytes: number;
  readonly hasTrees: boolean;
}

export interface JournalObject {
  readonly key: string;
  readonly size: number;
}

export interface ExportPlan {
  readonly snapshots: readonly StoredSnapshot[];
  readonly whole: readonly WholePack[];
  /** Numbers of packs of which only a part is wanted: that part is written to new packs. */
  readonly repack: readonly number[];
  /** First copies of all blobs that the snapshots need. */
  readonly used: EntrySet;
  /** What will be written to new packs. */
  readonly repackBytes: number;
  /** The largest pack, or what a new one may grow to. */
  readonly largestBytes: number;
  /** In packs that are taken as they are: what none of the snapshots needs. */
  readonly foreignBytes: number;
  readonly journal: readonly JournalObject[];
  /** Sources whose journals go along. */
  readonly journalSources: readonly string[];
  /** Packs that the export will hold, and bytes of all it will hold; not exact where packs are written anew. */
  readonly packs: number;
  readonly bytes: number;
  readonly treeBytes: number;
}

export interface PlanExportInput {
  readonly index: BlobIndex;
  readonly used: EntrySet;
  readonly snapshots: readonly StoredSnapshot[];
  /** Take packs as they are, whatever else is in them. */
  readonly wholePacks: boolean;
  /** Size at which a new pack is full. */
  readonly packBytes: number;
  readonly journal: readonly JournalObject[];
  readonly journalSources: readonly string[];
}

/** What index and snapshot files, headers and manifests take for each blob, pack and snapshot; rather more than less. */
const indexBytesPerBlob = 120;
const overheadBytesPerFile = 1024;
const overheadBytes = 64 * 1024;

/**
 * Packs that hold nothing but what the snapshots need go as they are; of the others only what is needed goes, so that an
 * export holds no data of snapshots that were not chosen.
 */
export function planExport(input: PlanExportInput): ExportPlan {
  const { index, used, snapshots, wholePacks, journal, journalSources } = input;
  const { table } = index;
  const packs = groupByPack(index);
  const isUsed = (entry: number): boolean => used.has(table.firstCopyOf(entry));
  const whole: WholePack[] = [];
  const repack: number[] = [];
  let repackBytes = 0;
  let repackTreeBytes = 0;
  let foreignBytes = 0;
  let blobs = 0;
  let largestBytes = input.packBytes;
  for (let number = 0; number < packs.count; number++) {
    const entries = packs.entries(number);
    const chosen = entries.filter(used.has);
    if (chosen.length === 0) continue;
    const foreign = entries.filter((entry) => !isUsed(entry));
    blobs += chosen.length;
    if (foreign.length === 0 || wholePacks) {
      const bytes = packs.bytes(number);
      whole.push({ number, id: packs.id(number), bytes, hasTrees: packs.types(number).tree });
      foreignBytes += foreign.reduce((sum, entry) => sum + table.lengthOf(entry), 0);
      largestBytes = Math.max(largestBytes, bytes);
      blobs += entries.length - chosen.length;
      continue;
    }
    repack.push(number);
    for (const entry of chosen) {
      const bytes = table.lengthOf(entry) + compressedEntryBytes;
      repackBytes += bytes;
      if (table.typeOf(entry) === 'tree') repackTreeBytes += bytes;
    }
  }
  const newPacks =
    newPacksFor(repackBytes - repackTreeBytes, input.packBytes) +
    newPacksFor(repackTreeBytes, input.packBytes);
  const wholeBytes = whole.reduce((sum, { bytes }) => sum + bytes, 0);
  const packBytes = wholeBytes + repackBytes + newPacks * headerFileBytes(0);
  const files = whole.length + newPacks + snapshots.length + journal.length;
  return {
    ...{ snapshots, whole, repack, used, repackBytes, largestBytes, foreignBytes, journal, journalSources },
    packs: whole.length + newPacks,
    treeBytes: repackTreeBytes + whole.reduce((sum, { bytes, hasTrees }) => sum + (hasTrees ? bytes : 0), 0),
    bytes:
      packBytes +
      journal.reduce((sum, { size }) => sum + size, 0) +
      blobs * indexBytesPerBlob +
      files * overheadBytesPerFile +
      overheadBytes +
      archiveEndBytes,
  };
}

const newPacksFor = (bytes: number, packBytes: number): number =>
  bytes === 0 ? 0 : Math.max(1, Math.ceil(bytes / packBytes));
