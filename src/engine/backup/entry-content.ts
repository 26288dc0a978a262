import { type ByteString, toPath } from '../../core/bytestring.ts';
import type { Chunking, EntryContent } from '../../model/source-entry.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import { storeFineStream } from '../../repository/fine-stream.ts';
import { finenessOf, storeStream, wholeBytesMax } from '../../repository/stream.ts';
import { contentBytes } from './content-ids.ts';
import type { Cut, CutOutcome, PieceQueue } from './piece-queue.ts';
import { passUntilAborted, takeUntilAborted } from './until-aborted.ts';

type Done = (outcome: CutOutcome) => void;

/** Brings the content of an entry to the workers by the way that suits it. */
export interface ContentSaver {
  /**
   * Resolves when the next entry may be asked for: a stream is then consumed, a file need not be read yet. `done`
   * is told what became of the content.
   * @throws the first failure of the store, what the stream throws, or the signal's reason.
   */
  save(content: EntryContent, signal: AbortSignal, done: Done): Promise<void> | null;
}

/** Content-defined cuts never lie closer, so what is smaller is one blob whoever cuts it. */
const wholeCut: Cut = { chunkBytes: wholeBytesMax, check: null };

const cutOf = (chunking: Chunking & { kind: 'pages' }): Cut => ({
  chunkBytes: chunking.chunkBytes,
  check: chunking.check && {
    pageBytes: chunking.pageBytes,
    firstBlock: chunking.check.firstBlock,
    notFrom: chunking.check.notFrom,
  },
});

interface ContentSaverOptions {
  readonly store: BlobStore;
  readonly queue: PieceQueue;
  readonly polynomial: bigint;
  /** Told what a stream threw when it was left early; the error that came first is thrown. */
  readonly failedToEnd: (error: unknown) => void;
}

async function* join(
  first: readonly Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* rest;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export function createContentSaver({
  store,
  queue,
  polynomial,
  failedToEnd,
}: ContentSaverOptions): ContentSaver {
  async function saveContentDefined(
    bytes: AsyncIterable<Uint8Array>,
    averageBytes: number | undefined,
    done: Done,
  ): Promise<void> {
    const before = store.totals();
    const { content, size } = await (averageBytes !== undefined && finenessOf(averageBytes).isFine
      ? storeFineStream(store, polynomial, averageBytes, bytes, () => undefined)
      : storeStream(store, polynomial, bytes, () => undefined));
    const after = store.totals();
    done({
      ids: contentBytes(content),
      size,
      newBytes: after.bytes - before.bytes,
      storedBytes: after.packedBytes - before.packedBytes,
      damaged: [],
      problem: null,
    });
  }

  async function saveWhole(pieces: readonly Uint8Array[], done: Done): Promise<void> {
    const writer = queue.writer(wholeCut, done);
    for (const piece of pieces) await writer.write(piece);
    writer.end();
  }

  async function savePages(
    bytes: AsyncIterable<Uint8Array>,
    cut: Cut,
    signal: AbortSignal,
    done: Done,
  ): Promise<void> {
    const writer = queue.writer(cut, done);
    await takeUntilAborted(bytes, signal, writer.write, failedToEnd);
    writer.end();
  }

  /** A stream that turns out to be too small to be cut becomes one blob among others. */
  async function saveStream(
    bytes: AsyncIterable<Uint8Array>,
    averageBytes: number | undefined,
    signal: AbortSignal,
    done: Done,
  ): Promise<void> {
    const wholeMax = finenessOf(averageBytes).wholeBytesMax;
    const passed = passUntilAborted(bytes, signal, failedToEnd);
    const first: Uint8Array[] = [];
    let held = 0;
    let ended = false;
    try {
      while (held <= wholeMax) {
        const next = await passed.next();
        ended = next.done === true;
        if (next.done) return await saveWhole(first, done);
        first.push(Uint8Array.from(next.value)); // the stream may fill the same memory again
        held += next.value.length;
      }
      await saveContentDefined(join(first, passed), averageBytes, done);
      ended = true;
    } finally {
      if (!ended) await passed.return();
    }
  }

  /** A file that became shorter between two looks at it is looked at once more. */
  async function saveLarge(path: ByteString, size: number): Promise<CutOutcome> {
    let outcome = await store.saveLargeFile(toPath(path), size);
    if (outcome.problem?.code === 'ESTALE') outcome = await store.saveLargeFile(toPath(path), size);
    return {
      ids: outcome.content ?? new Uint8Array(0),
      size: outcome.size,
      newBytes: outcome.newBytes,
      storedBytes: outcome.packedBytes,
      damaged: [],
      problem: outcome.problem,
    };
  }

  function saveFile({ path, size, chunking }: EntryContent & { kind: 'file' }, done: Done): void {
    if (chunking.kind === 'pages') queue.file(path, size, cutOf(chunking), done);
    else if (size <= wholeBytesMax) queue.file(path, size, wholeCut, done);
    else queue.other(saveLarge(path, size), done);
  }

  return {
    save(content, signal, done) {
      if (content.kind === 'file') {
        saveFile(content, done);
        return null;
      }
      if (content.kind === 'bytes') {
        return content.bytes.length <= wholeBytesMax
          ? saveWhole([content.bytes], done)
          : saveContentDefined(once(content.bytes), undefined, done);
      }
      const { bytes, chunking } = content;
      return chunking.kind === 'pages'
        ? savePages(bytes, cutOf(chunking), signal, done)
        : saveStream(bytes, chunking.averageBytes, signal, done);
    },
  };
}
