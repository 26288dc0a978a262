import process from 'node:process';
import { toPath } from '../../core/bytestring.ts';
import { permissionsOfGoMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import type { BlobTable } from '../../repository/index/table.ts';
import { type RestoreInput, restoreFlags } from '../../repository/workers/protocol.ts';
import type { PackPart } from './pack-stretches.ts';
import type { PlannedFile } from './window.ts';

/** Stored bytes of one job: enough that its message costs nothing, little enough to spread over workers. */
const jobBytes = 4 * 1024 * 1024;
const jobBytesMax = 16 * 1024 * 1024;
/** Content of one job, where it is well compressed: workers shall end at the same time. */
const contentBytesMax = 16 * 1024 * 1024;
/** Unwanted bytes between two blobs that are fetched rather than asked for separately. */
const gapBytesMax = 256 * 1024;
const offsetSpan = 2 ** 32;

/** A job without the bytes of its pack, from the first blob to the end of the last one. */
export interface PackJob extends PackPart {
  readonly files: readonly PlannedFile[];
  readonly input: Omit<RestoreInput, 'source' | 'packName' | 'writeBack'>;
}

/** Blobs that files want, as columns: one row for each place in a file. */
interface Wants {
  readonly entries: Uint32Array;
  /** Index in the list of files. */
  readonly files: Uint32Array;
  readonly offsets: Float64Array;
  /** Rows in the order of packs and of places in them. */
  readonly order: Uint32Array;
  readonly keys: Float64Array;
}

function collectWants(
  files: readonly PlannedFile[],
  table: BlobTable,
  sizeOf: (entry: number) => number,
): Wants {
  let rows = 0;
  for (const { blobs } of files) rows += blobs.length;
  const entries = new Uint32Array(rows);
  const fileOf = new Uint32Array(rows);
  const offsets = new Float64Array(rows);
  const keys = new Float64Array(rows);
  let row = 0;
  for (let file = 0; file < files.length; file++) {
    const { blobs, matches } = files[file]!;
    let offset = 0;
    for (let n = 0; n < blobs.length; n++) {
      const entry = blobs[n]!;
      if (!matches?.[n]) {
        const location = table.locationOf(entry);
        entries[row] = entry;
        fileOf[row] = file;
        offsets[row] = offset;
        keys[row] = location.pack * offsetSpan + location.offset;
        row++;
      }
      offset += sizeOf(entry);
    }
  }
  const order = Uint32Array.from({ length: row }, (_, n) => n).sort((a, b) => keys[a]! - keys[b]! || a - b);
  return { entries, files: fileOf, offsets, order, keys };
}

/** What new files want of packs, blob by blob: before it is known what will be done in which job. */
export function partsOfNewFiles(files: readonly PlannedFile[], table: BlobTable): PackPart[] {
  const entries = new Set<number>();
  for (const { blobs, existing } of files)
    if (existing === null) for (const entry of blobs) entries.add(entry);
  return Array.from(entries, (entry) => {
    const { pack, offset, length } = table.locationOf(entry);
    return { pack, start: offset, end: offset + length };
  });
}

/** Where in the order each job begins; the last element is the end. */
function cutJobs(
  { entries, files, order, keys }: Wants,
  table: BlobTable,
  sizeOf: (entry: number) => number,
): number[] {
  const cuts: number[] = [];
  let pack = -1;
  let content = 0;
  let start = 0;
  let end = 0;
  for (let at = 0; at < order.length; at++) {
    const row = order[at]!;
    const location = table.locationOf(entries[row]!);
    const before = at > 0 ? order[at - 1]! : -1;
    const sameBlob = before >= 0 && keys[before] === keys[row];
    const sameFile = before >= 0 && files[before] === files[row];
    const grown = location.offset + location.length - start;
    const full = grown > jobBytesMax || (grown > jobBytes && !sameFile) || content > contentBytesMax;
    if (location.pack !== pack || (!sameBlob && (full || location.offset - end > gapBytesMax))) {
      cuts.push(at);
      pack = location.pack;
      start = location.offset;
      content = 0;
    }
    content += sizeOf(entries[row]!);
    end = location.offset + location.length;
  }
  cuts.push(order.length);
  return cuts;
}

/**
 * Turns what files still lack into jobs, each of a part of one pack, in the order of the packs. Sets how many
 * jobs each file takes part in.
 *
 * @param workerSetsMetadata asked for files that one job writes whole.
 */
export function packJobs(
  files: readonly PlannedFile[],
  table: BlobTable,
  sizeOf: (entry: number) => number,
  sparse: boolean,
  workerSetsMetadata: (file: PlannedFile) => boolean,
): PackJob[] {
  const wants = collectWants(files, table, sizeOf);
  const cuts = cutJobs(wants, table, sizeOf);
  const lastJob = new Int32Array(files.length).fill(-1);
  for (let job = 0; job + 1 < cuts.length; job++) {
    for (let at = cuts[job]!; at < cuts[job + 1]!; at++) {
      const file = wants.files[wants.order[at]!]!;
      if (lastJob[file] === job) continue;
      lastJob[file] = job;
      files[file]!.jobsLeft++;
    }
  }
  for (const file of files) file.metadataSet = isWhole(file) && workerSetsMetadata(file);
  const jobs: PackJob[] = [];
  const indexInJob = new Int32Array(files.length);
  for (let job = 0; job + 1 < cuts.length; job++)
    jobs.push(createJob(files, wants, cuts[job]!, cuts[job + 1]!, table, sparse, indexInJob));
  return jobs;
}

function createJob(
  all: readonly PlannedFile[],
  wants: Wants,
  from: number,
  to: number,
  table: BlobTable,
  sparse: boolean,
  indexInJob: Int32Array,
): PackJob {
  const { entries, files: fileOf, offsets: fileOffsets, order, keys } = wants;
  const files: PlannedFile[] = [];
  const blobs: number[] = [];
  const placesFrom: number[] = [];
  const placeFiles = new Uint32Array(to - from);
  const placeOffsets = new Float64Array(to - from);
  const seen = new Map<number, number>();
  for (let at = from; at < to; at++) {
    const row = order[at]!;
    if (at === from || keys[order[at - 1]!] !== keys[row]) {
      blobs.push(entries[row]!);
      placesFrom.push(at - from);
    }
    const file = fileOf[row]!;
    if (!seen.has(file)) {
      seen.set(file, files.length);
      indexInJob[file] = files.length;
      files.push(all[file]!);
    }
    placeFiles[at - from] = indexInJob[file]!;
    placeOffsets[at - from] = fileOffsets[row]!;
  }
  placesFrom.push(to - from);

  const ids = new Uint8Array(blobs.length * 32);
  const offsets = new Uint32Array(blobs.length);
  const lengths = new Uint32Array(blobs.length);
  const uncompressedLengths = new Uint32Array(blobs.length);
  let pack = 0;
  for (let n = 0; n < blobs.length; n++) {
    const location = table.locationOf(blobs[n]!);
    table.copyId(blobs[n]!, ids.subarray(n * 32, n * 32 + 32));
    offsets[n] = location.offset;
    lengths[n] = location.length;
    uncompressedLengths[n] = location.uncompressedLength;
    pack = location.pack;
  }
  const last = blobs.length - 1;
  return {
    pack,
    start: offsets[0]!,
    end: offsets[last]! + lengths[last]!,
    files,
    input: {
      ...fileColumns(files, sparse),
      ...{ ids, offsets, lengths, uncompressedLengths, placeFiles, placeOffsets },
      placesFrom: Uint32Array.from(placesFrom),
    },
  };
}

type FileColumns = Pick<RestoreInput, 'paths' | 'numbers' | 'sizes' | 'flags' | 'owners' | 'times'>;

function fileColumns(files: readonly PlannedFile[], sparse: boolean): FileColumns {
  const numbers = new Float64Array(files.length);
  const sizes = new Float64Array(files.length);
  const flags = new Uint8Array(files.length);
  const owners = new Uint32Array(3 * files.length);
  const times = new Float64Array(4 * files.length);
  for (let n = 0; n < files.length; n++) {
    const file = files[n]!;
    numbers[n] = file.number;
    sizes[n] = file.size;
    flags[n] = flagsOf(file, sparse);
    if (!file.metadataSet) continue;
    const { node } = file;
    owners[3 * n] = permissionsOfGoMode(node.mode);
    owners[3 * n + 1] = node.uid;
    owners[3 * n + 2] = node.gid;
    const mtime = parseTime(node.mtime);
    const atime = node.atime === node.mtime ? mtime : parseTime(node.atime);
    times.set([atime.seconds, atime.nanoseconds, mtime.seconds, mtime.nanoseconds], 4 * n);
  }
  return { paths: files.map((file) => toPath(file.path)), numbers, sizes, flags, owners, times };
}

/** Whether one job writes the file from nothing to its end. */
export function isWhole(file: PlannedFile): boolean {
  return file.jobsLeft === 1 && file.matches === null;
}

function flagsOf(file: PlannedFile, sparse: boolean): number {
  return (
    (isWhole(file) ? restoreFlags.whole : 0) |
    // Where old content stays, a hole would show it.
    (sparse && file.matches === null ? restoreFlags.sparse : 0) |
    (file.existing !== null ? restoreFlags.existing : 0) |
    (file.metadataSet ? restoreFlags.metadata | (isOwn(file.node) ? 0 : restoreFlags.owner) : 0)
  );
}

/** Whether a new file of this process has the right owner from the beginning. */
function isOwn({ uid, gid }: TreeNode): boolean {
  return uid === process.geteuid?.() && gid === process.getegid?.();
}
