import { closeSync } from 'node:fs';
import { type ByteString, toPath } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { createPageVerifier, type PageVerifier, pageBytesMax } from '../../kernels/page-checksum.ts';
import type { BlobTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import { createIdList, type IdList } from './id-list.ts';
import {
  type FileProblem,
  factsPerPiece,
  outcomeFactsPerPiece,
  type PageBatch,
  type PageBatchOutcome,
  pageFacts,
} from './protocol.ts';
import { isSystemError, openSource, problemOf, readFully, regularFile } from './source-file.ts';
import { createChunkStore, newCounter, type StoredCounter } from './store-chunk.ts';

/** Reading database files: cut at fixed multiples, their pages verified on the way. */

/** Read at once: large enough that calls cost nothing, small enough to stay in the processor's cache. */
const blockBytes = 512 * 1024;

/**
 * A page that was read while the server wrote it is whole a moment later: the wait before it is read again.
 * Once for each block that was read, so that a file that is damaged all over delays nothing for long.
 */
const rereadDelayMs = 2;

const noBytes = Buffer.alloc(0);

interface Piece {
  readonly offset: number;
  readonly bytes: number;
  readonly chunkBytes: number;
  readonly pageBytes: number;
  readonly firstBlock: number;
  readonly notFrom: bigint;
}

function pieceAt(facts: Float64Array, number: number): Piece {
  const fact = (column: number): number => facts[number * factsPerPiece + column]!;
  const high = BigInt(fact(pageFacts.notFromHigh));
  return {
    offset: fact(pageFacts.offset),
    bytes: fact(pageFacts.bytes),
    chunkBytes: fact(pageFacts.chunkBytes),
    pageBytes: fact(pageFacts.pageBytes),
    firstBlock: fact(pageFacts.firstBlock),
    notFrom: (high << 32n) | BigInt(fact(pageFacts.notFromLow)),
  };
}

const sleepBeforeReread = (): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, rereadDelayMs);

/** Fills `target` with the piece's bytes from `at` on; returns fewer than it takes only at the end. */
type ReadPiece = (target: Uint8Array, at: number) => number;

/** @param pause waits before pages that look damaged are read again. */
export function createPageReader(
  table: BlobTable,
  encoder: BlobEncoder,
  control: Int32Array,
  progress: (bytes: number) => void,
  pause: () => void = sleepBeforeReread,
): (batch: PageBatch) => PageBatchOutcome {
  const storeChunk = createChunkStore(table, encoder, progress);
  let verifier: PageVerifier | undefined;
  /** Verifies the pages that are read a second time, one by one. */
  let second: PageVerifier | undefined;

  /** Zeros as many as the largest chunk so far, and the IDs of chunks that are nothing else, by their length. */
  let zeros = noBytes;
  const idsOfZeros = new Map<number, Uint8Array>();

  function isZeros(bytes: Uint8Array): boolean {
    if (bytes[0] !== 0) return false;
    if (zeros.length < bytes.length) zeros = Buffer.alloc(bytes.length);
    return Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0;
  }

  /** Files that were made long before they are filled hold many chunks of zeros: one is stored, and hashed, for all. */
  function storeOrKnow(bytes: Uint8Array, ids: IdList, counter: StoredCounter): void {
    if (!isZeros(bytes)) {
      storeChunk(bytes, ids, counter);
      return;
    }
    const known = idsOfZeros.get(bytes.length);
    if (known) {
      ids.push(known);
      progress(bytes.length);
    } else idsOfZeros.set(bytes.length, Uint8Array.from(storeChunk(bytes, ids, counter)));
  }

  /** A place for whole chunks, as many as fit into a block but at least one. */
  function inputFor(chunkBytes: number): { pages: PageVerifier; bytes: number } {
    const bytes = Math.max(1, Math.floor(blockBytes / chunkBytes)) * chunkBytes;
    if (!verifier || verifier.input.length < bytes)
      verifier = createPageVerifier(Math.max(bytes, blockBytes));
    return { pages: verifier, bytes };
  }

  /** Whether a page is right when it is read again; then it takes the place of the one that was not. */
  function isWholeNow(piece: Piece, at: number, block: number, page: Uint8Array, read: ReadPiece): boolean {
    second ??= createPageVerifier(pageBytesMax);
    const again = second.input.subarray(0, page.length);
    if (read(again, at) < again.length) return true; // cut off by the server since: what was read is replayed
    if (second.verify(1, page.length, block, piece.notFrom).length > 0) return false;
    page.set(again);
    return true;
  }

  /** Verifies the first `held` bytes of the input, which begin at `at` in the piece. */
  function verify(
    piece: Piece,
    pages: PageVerifier,
    held: number,
    at: number,
    reread: ReadPiece | null,
    damaged: (block: number, expected: number, found: number) => void,
  ): void {
    const { pageBytes, notFrom } = piece;
    const firstBlock = piece.firstBlock + at / pageBytes;
    const bad = pages.verify(Math.floor(held / pageBytes), pageBytes, firstBlock, notFrom);
    if (bad.length === 0) return;
    if (reread) pause();
    for (const { page, expected, found } of bad) {
      const place = pages.input.subarray(page * pageBytes, (page + 1) * pageBytes);
      if (reread && isWholeNow(piece, at + page * pageBytes, firstBlock + page, place, reread)) continue;
      damaged(firstBlock + page, expected, found);
    }
  }

  return ({ source, facts }) => {
    const pieces = facts.length / factsPerPiece;
    const outcome = new Float64Array(pieces * outcomeFactsPerPiece);
    const ids = createIdList(pieces);
    const counter = newCounter();
    const damaged: number[] = [];
    const problems: { piece: number; problem: FileProblem }[] = [];

    function storePiece(number: number, read: ReadPiece, canReread: boolean): void {
      const piece = pieceAt(facts, number);
      const blobsBefore = ids.count();
      const { bytes: bytesBefore, packedBytes: packedBefore } = counter;
      const { pages, bytes: inputBytes } = inputFor(piece.chunkBytes);
      const onDamage = (block: number, expected: number, found: number): void =>
        void damaged.push(number, block, expected, found);
      let at = 0;
      while (at < piece.bytes) {
        if (Atomics.load(control, 0) !== 0) throw new LifeboatError('cancelled', 'the backup was cancelled');
        const wanted = Math.min(inputBytes, piece.bytes - at);
        const held = read(pages.input.subarray(0, wanted), at);
        if (piece.pageBytes > 0) verify(piece, pages, held, at, canReread ? read : null, onDamage);
        for (let start = 0; start < held; start += piece.chunkBytes)
          storeOrKnow(pages.input.subarray(start, Math.min(held, start + piece.chunkBytes)), ids, counter);
        at += held;
        if (held < wanted) break;
      }
      const to = number * outcomeFactsPerPiece;
      outcome[to] = ids.count() - blobsBefore;
      outcome[to + 1] = at;
      outcome[to + 2] = counter.bytes - bytesBefore;
      outcome[to + 3] = counter.packedBytes - packedBefore;
    }

    /** @throws system errors of this file. */
    function storeFilePiece(number: number, path: string | Buffer): void {
      const offset = facts[number * factsPerPiece + pageFacts.offset]!;
      const blobsBefore = ids.count();
      const fd = openSource(path);
      try {
        regularFile(fd);
        storePiece(number, (target, at) => readFully(fd, target, offset + at), true);
      } catch (error) {
        ids.truncate(blobsBefore);
        throw error;
      } finally {
        closeSync(fd);
      }
    }

    if ('memory' in source) {
      const memory = new Uint8Array(source.memory);
      for (let number = 0; number < pieces; number++) {
        const offset = facts[number * factsPerPiece + pageFacts.offset]!;
        storePiece(
          number,
          (target, at) => {
            target.set(memory.subarray(offset + at, offset + at + target.length));
            return target.length;
          },
          false,
        );
      }
    } else {
      let from = 0;
      for (let number = 0; number < pieces; number++) {
        const end = source.paths.indexOf('\0', from);
        const path = toPath(source.paths.slice(from, end) as ByteString);
        from = end + 1;
        try {
          storeFilePiece(number, path);
        } catch (error) {
          // Only the system's word on this one file makes it a problem of the file; all else ends the run.
          if (!isSystemError(error)) throw error;
          problems.push({ piece: number, problem: problemOf(error) });
        }
      }
    }
    return {
      ids: ids.bytes(),
      facts: outcome,
      damaged: Float64Array.from(damaged),
      problems,
      stored: counter,
    };
  };
}
