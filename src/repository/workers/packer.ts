import { randomInt } from 'node:crypto';
import { LifeboatError } from '../../core/errors.ts';
import { sha256 } from '../../kernels/sha256.ts';
import { idOfBytes } from '../../model/id.ts';
import type { Sealer } from '../crypto.ts';
import type { BlobType } from '../index/table.ts';
import {
  compressedEntryBytes,
  headerFileBytes,
  packEntriesMax,
  parseHeader,
  writeHeaderEntry,
} from '../pack.ts';
import type { FinishedPack } from './protocol.ts';

/**
 * Fills packs in shared memory. Blobs of each type are spread at random over two open packs, so that an
 * observer of pack sizes cannot learn where a file was cut (restic #5291). A full pack goes to the main
 * thread by reference; its buffer is free again when the main thread has stored it. When all buffers are on
 * their way the worker waits: that is what bounds memory.
 */

const openPacksPerType = 2;
/** Room beyond the target for the blob that fills the pack: the largest chunk and its overhead. */
const overshootBytes = 8 * 1024 * 1024 + 256 * 1024;

/** Words of a worker's states: a counter, then one for each buffer. */
const freedWord = 0;
const firstBufferWord = 1;
const bufferFree = 0;
const bufferTaken = 1;

interface OpenPack {
  readonly buffer: number;
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  used: number;
  header: Buffer;
  headerBytes: number;
  entries: number[];
}

export interface Placement {
  /** Pack memory to write the sealed blob into. */
  readonly target: Buffer;
  readonly offset: number;
  /** Notes the blob as written. */
  commit(id: Uint8Array, entry: number, sealedBytes: number, uncompressedLength: number): void;
}

export interface Packer {
  /** Room for a blob of at most `sealedBytesMax` in a pack chosen at random. */
  place(type: BlobType, sealedBytesMax: number): Placement;
  /** Sends all open packs; small ones are merged first, so as not to show single blobs by their size. */
  flush(): void;
}

/** @param packsUnderWay packs of each type that may be on their way to storage at once. */
export function createPacker(
  sealer: Sealer,
  packBytes: number,
  send: (pack: FinishedPack) => void,
  packsUnderWay = 1,
): Packer {
  const buffersPerType = openPacksPerType + packsUnderWay;
  const firstBuffer: Record<BlobType, number> = { data: 0, tree: buffersPerType };
  const buffersPerWorker = 2 * buffersPerType;
  const states = new SharedArrayBuffer(4 * (firstBufferWord + buffersPerWorker));
  const stateWords = new Int32Array(states);
  const pool: SharedArrayBuffer[] = [];
  const open: Record<BlobType, (OpenPack | null)[]> = {
    data: new Array<null>(openPacksPerType).fill(null),
    tree: new Array<null>(openPacksPerType).fill(null),
  };

  function takeBuffer(type: BlobType): number {
    for (;;) {
      const freed = Atomics.load(stateWords, freedWord);
      for (let buffer = firstBuffer[type]; buffer < firstBuffer[type] + buffersPerType; buffer++) {
        const word = firstBufferWord + buffer;
        if (Atomics.compareExchange(stateWords, word, bufferFree, bufferTaken) === bufferFree) return buffer;
      }
      // The counter tells of the buffers that were freed: one freed between the look and the wait changed it.
      Atomics.wait(stateWords, freedWord, freed);
    }
  }

  function newPack(type: BlobType, bytesNeeded: number): OpenPack {
    const fits = bytesNeeded <= packBytes + overshootBytes - headerFileBytes(compressedEntryBytes);
    const buffer = fits ? takeBuffer(type) : -1;
    const memory = fits
      ? (pool[buffer] ??= new SharedArrayBuffer(packBytes + overshootBytes))
      : new SharedArrayBuffer(bytesNeeded + headerFileBytes(compressedEntryBytes));
    return {
      buffer,
      memory,
      bytes: Buffer.from(memory),
      used: 0,
      header: Buffer.allocUnsafe(4096),
      headerBytes: 0,
      entries: [],
    };
  }

  function seal(pack: OpenPack): void {
    const header = pack.header.subarray(0, pack.headerBytes);
    const sealedBytes = sealer.sealInto(pack.bytes, pack.used, header);
    const end = pack.bytes.writeUInt32LE(sealedBytes, pack.used + sealedBytes);
    const reopened = sealer.open(pack.bytes.subarray(pack.used, pack.used + sealedBytes));
    if (
      !reopened ||
      Buffer.compare(reopened, header) !== 0 ||
      parseHeader(reopened, pack.used, 'being written').length !== pack.entries.length
    )
      throw new LifeboatError(
        'internal',
        'a pack header does not decode to what was encoded; nothing was stored',
      );
    send({
      kind: 'pack',
      id: idOfBytes(sha256(pack.bytes.subarray(0, end))),
      memory: pack.memory,
      length: end,
      buffer: pack.buffer,
      states,
      header: Uint8Array.from(header),
      entries: Int32Array.from(pack.entries),
      blobBytes: pack.used,
    });
  }

  const weight = (pack: OpenPack): number => pack.used + headerFileBytes(pack.headerBytes);

  function note(
    pack: OpenPack,
    type: BlobType,
    id: Uint8Array,
    entry: number,
    length: number,
    plainLength: number,
  ): void {
    if (pack.headerBytes + compressedEntryBytes > pack.header.length) {
      const larger = Buffer.allocUnsafe(pack.header.length * 2);
      pack.header.copy(larger);
      pack.header = larger;
    }
    pack.headerBytes += writeHeaderEntry(pack.header, pack.headerBytes, type, id, length, plainLength);
    pack.entries.push(entry);
    pack.used += length;
  }

  const fitTogether = (one: OpenPack, other: OpenPack): boolean =>
    weight(one) + weight(other) < packBytes && one.entries.length + other.entries.length <= packEntriesMax;

  /** Appends all of one open pack to another. Headers hold no offsets, so both join as they are. */
  function merge(into: OpenPack, from: OpenPack): void {
    from.bytes.copy(into.bytes, into.used, 0, from.used);
    into.header = Buffer.concat([
      into.header.subarray(0, into.headerBytes),
      from.header.subarray(0, from.headerBytes),
    ]);
    into.headerBytes = into.header.length;
    into.used += from.used;
    for (const entry of from.entries) into.entries.push(entry);
    freeBuffer({ buffer: from.buffer, states });
  }

  return {
    place(type, sealedBytesMax) {
      const lane = randomInt(openPacksPerType);
      let pack = open[type][lane];
      const alone = sealedBytesMax >= packBytes + overshootBytes / 2;
      if (alone) pack = newPack(type, sealedBytesMax);
      else if (
        pack &&
        pack.used + sealedBytesMax + headerFileBytes(pack.headerBytes + compressedEntryBytes) >
          pack.bytes.length
      ) {
        seal(pack);
        pack = null;
      }
      const chosen = pack ?? newPack(type, sealedBytesMax);
      if (!alone) open[type][lane] = chosen;
      return {
        target: chosen.bytes,
        offset: chosen.used,
        commit(id, entry, sealedBytes, uncompressedLength) {
          note(chosen, type, id, entry, sealedBytes, uncompressedLength);
          if (!alone && weight(chosen) < packBytes && chosen.entries.length < packEntriesMax) return;
          if (!alone) open[type][lane] = null;
          seal(chosen);
        },
      };
    },
    flush() {
      for (const lanes of [open.data, open.tree]) {
        let kept: OpenPack | null = null;
        for (let lane = 0; lane < lanes.length; lane++) {
          const pack = lanes[lane];
          lanes[lane] = null;
          if (!pack) continue;
          if (kept && fitTogether(kept, pack)) {
            merge(kept, pack);
            continue;
          }
          if (kept) seal(kept);
          kept = pack;
        }
        if (kept) seal(kept);
      }
    },
  };
}

/** The buffer of a pack that is stored, or joined with another, may be filled again. */
export function freeBuffer(pack: Pick<FinishedPack, 'buffer' | 'states'>): void {
  if (pack.buffer < 0) return;
  const words = new Int32Array(pack.states);
  Atomics.store(words, firstBufferWord + pack.buffer, bufferFree);
  Atomics.add(words, freedWord, 1);
  Atomics.notify(words, freedWord);
}
