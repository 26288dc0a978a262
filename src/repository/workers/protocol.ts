import type { TableMemory } from '../index/table.ts';
import type { PackedBlob } from '../pack.ts';

/**
 * What main thread and workers say to each other. A worker owns the whole path of what it is given (read,
 * cut, hash, look up, compress, encrypt, verify, pack) with synchronous calls; the main thread walks,
 * builds trees and stores finished packs.
 */

export type Compression = 'auto' | 'off' | 'fastest' | 'better' | 'max';

export interface RawKey {
  readonly encryption: Uint8Array;
  readonly macK: Uint8Array;
  readonly macR: Uint8Array;
}

/** Shared by all threads of one pool. */
export interface SharedState {
  /** Word 0: set to 1 to make workers stop at the next chunk. */
  readonly control: SharedArrayBuffer;
  /** One Float64 a worker: bytes of file content processed so far. */
  readonly progress: SharedArrayBuffer;
}

export interface WorkerSetup {
  readonly number: number;
  readonly key: RawKey;
  readonly polynomial: bigint;
  readonly version: 1 | 2;
  readonly compression: Compression;
  readonly packBytes: number;
  /** Packs that may be on their way to storage at once. */
  readonly packsUnderWay: number;
  readonly table: TableMemory;
  readonly shared: SharedState;
}

export interface FileProblem {
  readonly code: string;
  readonly message: string;
}

export interface StoredCounts {
  /** Blobs that were not in the repository before. */
  readonly blobs: number;
  /** Their bytes before and after compression and encryption. */
  readonly bytes: number;
  readonly packedBytes: number;
}

/**
 * How a file's content relates to what the walker saw of it. `same`: nothing changed. `newer`: the file had
 * changed by then, but stood still while it was read, and `seen` tells as what. `torn`: it changed while it was read.
 */
export type ContentState = 'same' | 'newer' | 'torn';

/** Of the open file when its content was read. */
export interface SeenFacts {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export interface FileOutcome {
  /** 32 bytes for each blob, in order; empty for an empty file; null where the file could not be read. */
  readonly content: Uint8Array | null;
  readonly size: number;
  readonly state: ContentState;
  readonly seen: SeenFacts;
  /** Bytes of this file's new blobs. */
  readonly newBytes: number;
  /** Stored bytes of this file's new blobs. */
  readonly packedBytes: number;
  readonly problem: FileProblem | null;
}

/** Files to store, as few large values: a message with thousands of small ones costs more than reading the files. */
export interface FileBatch {
  /** Paths as bytes (latin1), each ended by a zero byte. */
  readonly paths: string;
  /** For each file: size in bytes, modification and change time in milliseconds. */
  readonly facts: Float64Array;
}

export const factsPerFile = 3;

export interface FileBatchOutcome {
  /** IDs of all blobs of all files, 32 bytes each. */
  readonly ids: Uint8Array;
  /**
   * For each file: number of its blobs, its size, bytes of its new blobs before and as stored, place of its
   * state in `contentStates`, then size, modification and change time as last seen.
   */
  readonly facts: Float64Array;
  readonly problems: readonly { readonly file: number; readonly problem: FileProblem }[];
  readonly stored: StoredCounts;
}

export const outcomeFactsPerFile = 8;
export const contentStates: readonly ContentState[] = ['same', 'newer', 'torn'];

/**
 * Pieces of files to store cut at fixed multiples, of files that the worker reads itself or of bytes handed over.
 * Few large values, as in a FileBatch.
 */
export interface PageBatch {
  readonly source:
    | {
        /** For each piece the path of its file as bytes (latin1), each ended by a zero byte. */
        readonly paths: string;
      }
    | { readonly memory: SharedArrayBuffer };
  /** For each piece its facts, in the order of `pageFacts`. */
  readonly facts: Float64Array;
}

/** Columns of a piece in a PageBatch. */
export const pageFacts = {
  /** Where the piece begins, in its file or in the memory. */
  offset: 0,
  /** How long it is at most; a piece of memory is as long as that. */
  bytes: 1,
  chunkBytes: 2,
  /** Bytes of a page whose checksum is verified; 0 where there is none. */
  pageBytes: 3,
  /** Number of the piece's first page in its relation. */
  firstBlock: 4,
  /** Pages whose LSN is at least this are not judged: its upper and its lower 32 bits. */
  notFromHigh: 5,
  notFromLow: 6,
} as const;
export const factsPerPiece = 7;

export interface PageBatchOutcome {
  /** IDs of all blobs of all pieces, 32 bytes each. */
  readonly ids: Uint8Array;
  /** For each piece: number of its blobs, bytes that were there, bytes of its new blobs before and as stored. */
  readonly facts: Float64Array;
  /** Pages with a wrong checksum, also when read a second time: piece, block, expected and found checksum. */
  readonly damaged: Float64Array;
  readonly problems: readonly { readonly piece: number; readonly problem: FileProblem }[];
  readonly stored: StoredCounts;
}

export const outcomeFactsPerPiece = 4;
export const factsPerDamagedPage = 4;

/** Part of a large file: byte offsets of its chunks, each [start, end). */
export interface ScanOutcome {
  readonly cuts: Float64Array;
  /** Whether the last cut is the end of the file. */
  readonly ended: boolean;
  readonly problem: FileProblem | null;
}

export interface ChunksOutcome {
  readonly content: Uint8Array | null;
  readonly stored: StoredCounts;
  readonly problem: FileProblem | null;
}

/** A blob whose ID the main thread has computed and claimed. */
export interface ClaimedBlob {
  readonly type: 'data' | 'tree';
  readonly id: Uint8Array;
  readonly entry: number;
  readonly bytes: Uint8Array;
}

/** Bytes of a pack: a file that the worker opens itself, or bytes already fetched, with their offset in the pack. */
export type PackSource = { readonly path: string } | { readonly bytes: Uint8Array; readonly offset: number };

export interface BlobProblem {
  readonly blob: PackedBlob;
  readonly message: string;
}

/** A blob that a tree refers to and that is in no pack of the index. */
export interface MissingBlob {
  readonly type: 'data' | 'tree';
  readonly id: string;
  readonly tree: string;
}

export interface Jobs {
  files: { input: FileBatch; output: FileBatchOutcome };
  pages: { input: PageBatch; output: PageBatchOutcome };
  scan: {
    /** `end`: where the file counts as ended, however long it has become. */
    input: { path: string | Uint8Array; start: number; bytesMax: number; end?: number };
    output: ScanOutcome;
  };
  chunks: { input: { path: string | Uint8Array; cuts: Float64Array }; output: ChunksOutcome };
  data: { input: { bytes: Uint8Array }; output: { id: Uint8Array; stored: StoredCounts } };
  blobs: {
    input: { items: readonly ClaimedBlob[] };
    /** `sizes`: stored bytes of each blob. */
    output: StoredCounts & { readonly sizes: Float64Array };
  };
  /** Brings blobs of a pack, of this or of another repository, into new packs, verified on the way. */
  transfer: {
    input: {
      source: PackSource;
      packName: string;
      blobs: readonly PackedBlob[];
      foreign: { key: RawKey } | null;
    };
    output: { stored: StoredCounts; problems: readonly BlobProblem[] };
  };
  /** Reads trees of a pack and adds all that they refer to to the set `used`; answers which trees were new in it. */
  markTrees: {
    input: {
      source: PackSource;
      packName: string;
      entries: Int32Array;
      used: SharedArrayBuffer;
      /** Where the trees are those of another repository: its key and its index. */
      foreign: { key: RawKey; table: TableMemory } | null;
    };
    output: {
      subtrees: Int32Array;
      missing: readonly MissingBlob[];
      problems: readonly { readonly entry: number; readonly message: string }[];
    };
  };
  /** Checks a pack against what the index says of it, and looks into the trees that it holds. */
  checkPack: { input: CheckPackInput; output: CheckPackOutput };
  /** Writes parts of files from the blobs of one pack. */
  /** Parts whose blobs lie in turns in the same files are written together. */
  restore: { input: readonly RestoreInput[]; output: readonly RestoreOutput[] };
  /** Closes files that restore jobs kept open for their next parts; goes to each worker. */
  closeRestored: { input: null; output: null };
  /** Compares files with the blobs they should hold. */
  compareFiles: { input: { items: readonly CompareItem[] }; output: readonly CompareOutcome[] };
  /** The envelope of what lies below `lifeboat/`; what comes back is in shared memory. */
  seal: { input: { plain: Uint8Array }; output: Uint8Array };
  open: { input: { stored: Uint8Array; name: string }; output: Uint8Array };
  flush: { input: null; output: null };
}

export interface CheckPackInput {
  /** The whole pack: a file, or all its bytes. */
  readonly source: { readonly path: string } | { readonly bytes: Uint8Array };
  readonly packId: string;
  /** Its size as storage lists it. */
  readonly packBytes: number;
  /** Entries of the table that lie in this pack; without `whole` only these are read. */
  readonly entries: Int32Array;
  /** Read everything: the pack's hash, its header against the index, every blob. */
  readonly whole: boolean;
  /** Whether facts of trees are wanted. */
  readonly trees: boolean;
  /** Whether these shall list the data blobs that the trees refer to. */
  readonly references: boolean;
}

export interface CheckPackOutput {
  /** Bytes that were read. */
  readonly bytes: number;
  /** What is wrong with the pack. */
  readonly problems: readonly string[];
  /** Why the pack could not be read at all, or null. */
  readonly unreadable: string | null;
  readonly trees: TreeFacts | null;
}

/** What trees refer to. Blobs are named by the entry of their first copy in the table. */
export interface TreeFacts {
  /** Trees that were read. */
  readonly trees: Int32Array;
  /** For each of them: how many subtrees follow, the subtrees, how many data blobs follow, the data blobs. */
  readonly references: Int32Array;
  readonly problems: readonly { readonly tree: number; readonly message: string }[];
}

/** Flags of a file in a restore job. */
export const restoreFlags = {
  /** Write the file whole from this one job: no other job has parts of it. */
  whole: 1,
  /** Skip blocks of zeros, leaving holes. */
  sparse: 2,
  /** A regular file is there: cut it to nothing instead of insisting on a new one. Only with `whole`. */
  existing: 4,
  /** Set permissions and times before closing. Only with `whole`. */
  metadata: 8,
  /** Set the owner as well. */
  owner: 16,
} as const;

/**
 * Blobs of one pack and the places in files that they go to, as columns: one message of many small files
 * costs little to hand over. Blob `b` has the places from `placesFrom[b]` to before `placesFrom[b + 1]`.
 */
export interface RestoreInput {
  readonly source: PackSource;
  readonly packName: string;
  /** The file system is synced in the end: begin to write to its disk already. */
  readonly writeBack: boolean;
  /** Files of this job, by their index in it. */
  readonly paths: readonly (string | Uint8Array)[];
  /** Number of each file in the whole restore, to keep it open between jobs. */
  readonly numbers: Float64Array;
  readonly sizes: Float64Array;
  readonly flags: Uint8Array;
  /** For files with the flag `metadata`: permissions, owner and group. */
  readonly owners: Uint32Array;
  /** Seconds and nanoseconds of the access time, then of the modification time, for each file. */
  readonly times: Float64Array;
  /** 32 bytes for each blob, in the order of their offsets. */
  readonly ids: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly uncompressedLengths: Uint32Array;
  readonly placesFrom: Uint32Array;
  readonly placeFiles: Uint32Array;
  readonly placeOffsets: Float64Array;
}

export interface RestoreProblem {
  /** Index of the file in the job. */
  readonly file: number;
  /** An errno name, or the code of a LifeboatError such as `repository-damaged`. */
  readonly code: string;
  readonly message: string;
}

export interface RestoreOutput {
  readonly problems: readonly RestoreProblem[];
  /** Files whose metadata is still to be set although a flag asked for it. */
  readonly withoutMetadata: readonly number[];
}

/** Consecutive blobs that a file should hold from a byte offset on. */
export interface CompareItem {
  readonly path: string | Uint8Array;
  readonly offset: number;
  /** 32 bytes for each blob. */
  readonly ids: Uint8Array;
  /** Plaintext bytes of each blob. */
  readonly lengths: Uint32Array;
}

export interface CompareOutcome {
  /** One byte for each blob: 1 where the file holds it. Null where the file cannot be read. */
  readonly matches: Uint8Array | null;
  readonly problem: FileProblem | null;
}

export type JobName = keyof Jobs;

export interface JobMessage {
  readonly job: number;
  readonly name: string;
  readonly input: unknown;
}

export interface FinishedPack {
  readonly kind: 'pack';
  readonly id: string;
  /** The pack's bytes are the first `length` of this memory. */
  readonly memory: SharedArrayBuffer;
  readonly length: number;
  /** Number of the worker's buffer, to be freed when the pack is stored; −1: memory of its own. */
  readonly buffer: number;
  readonly states: SharedArrayBuffer;
  /** Decrypted header. */
  readonly header: Uint8Array;
  /** Entry numbers in the table, in the order of the header; −1 where the blob was not claimed. */
  readonly entries: Int32Array;
  readonly blobBytes: number;
}

export type WorkerMessage =
  | { readonly kind: 'done'; readonly job: number; readonly output: unknown }
  | {
      readonly kind: 'failed';
      readonly job: number;
      readonly message: string;
      readonly code: string;
      readonly hint: string | null;
      readonly stack: string;
    }
  | FinishedPack;
