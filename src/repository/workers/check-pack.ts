import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import { sha256 } from '../../kernels/sha256.ts';
import { type Id, idOfBytes } from '../../model/id.ts';
import { type BlobDecoder, createBlobDecoder } from '../blob-decoder.ts';
import type { Sealer } from '../crypto.ts';
import type { BlobTable } from '../index/table.ts';
import { headerSpan, openHeader, type PackedBlob } from '../pack.ts';
import { createTreeInspector, type TreeInspector } from './inspect-trees.ts';
import type { CheckPackInput, CheckPackOutput, PackSource } from './protocol.ts';
import { eachSealedBlob } from './transfer.ts';

/** Packs up to this size are read at once; larger ones, which only other programs write, in pieces. */
const wholeBytesMax = 160 * 1024 * 1024;
const pieceBytes = 4 * 1024 * 1024;
/** A pack in which everything is wrong tells of this many blobs by name. */
const blobProblemsMax = 20;

export interface PackCheckContext {
  readonly sealer: Sealer;
  readonly table: BlobTable;
  readonly progress: (bytes: number) => void;
}

type Indexed = PackedBlob & { readonly entry: number };

/** All that can be wrong with a pack. Never throws for damage: says everything that it found. */
export function createPackCheck(context: PackCheckContext): (input: CheckPackInput) => CheckPackOutput {
  const { sealer, table, progress } = context;
  let decoder: BlobDecoder | undefined;
  let packBuffer = Buffer.alloc(0);

  function indexedBlobs(entries: Int32Array): Indexed[] {
    const idBytes = Buffer.alloc(32);
    const blobs: Indexed[] = [];
    for (const entry of entries) {
      const { offset, length, uncompressedLength } = table.locationOf(entry);
      table.copyId(entry, idBytes);
      blobs.push({
        entry,
        type: table.typeOf(entry),
        id: idOfBytes(idBytes),
        offset,
        length,
        uncompressedLength,
      });
    }
    return blobs.sort((a, b) => a.offset - b.offset);
  }

  function checkBlobs(
    input: CheckPackInput,
    source: PackSource,
    blobs: readonly Indexed[],
    inspector: TreeInspector | null,
  ): string[] {
    const problems: string[] = [];
    decoder ??= createBlobDecoder(sealer);
    const beyond = (blob: Indexed): boolean => blob.offset + blob.length > input.packBytes;
    for (const blob of blobs)
      if (beyond(blob)) problems.push(`${blob.type} blob ${blob.id} lies beyond the pack's end`);
    const inside = problems.length === 0 ? blobs : blobs.filter((blob) => !beyond(blob));
    eachSealedBlob(source, inside, (blob, sealed) => {
      progress(blob.length);
      if (!sealed) {
        problems.push(`${blob.type} blob ${blob.id} lies beyond the pack's end`);
        return;
      }
      try {
        const plaintext = decoder!.decode(blob, sealed);
        if (blob.uncompressedLength !== 0 && plaintext.length !== blob.uncompressedLength) {
          problems.push(
            `blob ${blob.id} unpacks to ${plaintext.length} bytes, the index says ${blob.uncompressedLength}`,
          );
        }
        if (blob.type === 'tree') inspector?.inspect(blob.id, plaintext);
      } catch (error) {
        problems.push(messageOf(error));
      }
    });
    if (problems.length <= blobProblemsMax) return problems;
    const more = problems.length - blobProblemsMax;
    return [...problems.slice(0, blobProblemsMax), `and ${more} of its ${input.entries.length} blobs more`];
  }

  /** Reads a file into memory that the next call overwrites. */
  function readAll(fd: number, size: number): Buffer {
    if (packBuffer.length < size) packBuffer = Buffer.allocUnsafeSlow(Math.max(size, 1024 * 1024));
    return readAt(fd, 0, packBuffer.subarray(0, size));
  }

  function checkFile(input: CheckPackInput, path: string, blobs: Indexed[]): Findings {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      if (size <= wholeBytesMax) {
        const bytes = readAll(fd, size);
        return checkBytes(input, bytes, blobs);
      }
      const tailAt = (offset: number, length: number): Buffer =>
        readAt(fd, offset, Buffer.allocUnsafe(length));
      const problems = envelopeProblems(input.packId, size, hashOfFile(fd), blobs, tailAt);
      return { bytes: size, problems, source: { path } };
    } finally {
      closeSync(fd);
    }
  }

  function checkBytes(input: CheckPackInput, bytes: Uint8Array, blobs: Indexed[]): Findings {
    const hash = idOfBytes(sha256(bytes));
    const cut = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
    const problems = envelopeProblems(input.packId, bytes.length, hash, blobs, cut);
    return { bytes: bytes.length, problems, source: { bytes, offset: 0 } };
  }

  /** The hash of all, and the header against the index. */
  function envelopeProblems(
    packId: string,
    size: number,
    hash: Id,
    blobs: readonly Indexed[],
    read: (offset: number, length: number) => Uint8Array,
  ): string[] {
    const problems: string[] = [];
    if (hash !== packId) problems.push(`its content has the hash ${hash}`);
    try {
      const lengthField = read(Math.max(0, size - 4), 4);
      const { start, length } = headerSpan(size, lengthField, packId);
      const header = openHeader(sealer, read(start, length), start, packId);
      problems.push(...headerProblems(header, blobs));
    } catch (error) {
      problems.push(messageOf(error));
    }
    return problems;
  }

  return (input) => {
    const { source, packId, entries, whole, trees, references } = input;
    const blobs = indexedBlobs(entries);
    const inspector = trees ? createTreeInspector(table, references) : null;
    const problems: string[] = [];
    let bytes = 0;
    let unreadable: string | null = null;
    try {
      let blobSource: PackSource = 'path' in source ? source : { bytes: source.bytes, offset: 0 };
      if (whole) {
        const findings =
          'path' in source ? checkFile(input, source.path, blobs) : checkBytes(input, source.bytes, blobs);
        problems.push(...findings.problems);
        blobSource = findings.source;
        bytes = findings.bytes;
      }
      problems.push(...checkBlobs(input, blobSource, blobs, inspector));
    } catch (error) {
      unreadable = `pack ${packId} cannot be read: ${messageOf(error)}`;
    }
    return { bytes, problems, unreadable, trees: inspector?.facts() ?? null };
  };
}

interface Findings {
  readonly bytes: number;
  readonly problems: readonly string[];
  /** Where the blobs are to be had now. */
  readonly source: PackSource;
}

/** Fills the target from a place in a file. Returns what the file had of it. */
function readAt(fd: number, position: number, target: Buffer): Buffer {
  let done = 0;
  while (done < target.length) {
    const n = readSync(fd, target, done, target.length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return target.subarray(0, done);
}

function hashOfFile(fd: number): Id {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = 0; ; ) {
    const got = readAt(fd, at, piece);
    if (got.length === 0) break;
    hash.update(got);
    at += got.length;
  }
  return idOfBytes(hash.digest());
}

const place = (blob: PackedBlob): string =>
  `${blob.type} blob ${blob.id} at ${blob.offset}+${blob.length}${blob.uncompressedLength ? ` (${blob.uncompressedLength} unpacked)` : ''}`;

const same = (a: PackedBlob, b: PackedBlob): boolean =>
  a.type === b.type &&
  a.id === b.id &&
  a.length === b.length &&
  a.uncompressedLength === b.uncompressedLength;

/** Differences between what a pack's own header and the index say of it; both are in order of offset. */
function headerProblems(header: readonly PackedBlob[], indexed: readonly PackedBlob[]): string[] {
  const byOffset = new Map<number, PackedBlob[]>();
  for (const blob of indexed) {
    const there = byOffset.get(blob.offset);
    if (there) there.push(blob);
    else byOffset.set(blob.offset, [blob]);
  }
  const problems: string[] = [];
  let matched = 0;
  for (const blob of header) {
    const there = byOffset.get(blob.offset) ?? [];
    const found = there.findIndex((candidate) => same(candidate, blob));
    if (found < 0) problems.push(`its header names the ${place(blob)}, which the index does not`);
    else {
      there.splice(found, 1);
      matched++;
    }
  }
  if (matched < indexed.length) {
    for (const rest of byOffset.values())
      for (const blob of rest) problems.push(`the index names the ${place(blob)}, which its header does not`);
  }
  if (problems.length <= blobProblemsMax) return problems;
  return [...problems.slice(0, blobProblemsMax), `and ${problems.length - blobProblemsMax} differences more`];
}
