import type { ByteString } from '../../core/bytestring.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import {
  type FileProblem,
  factsPerDamagedPage,
  outcomeFactsPerPiece,
  type PageBatchOutcome,
} from '../../repository/workers/protocol.ts';

/**
 * Content cut at fixed multiples on its way to the workers: large files in ranges over all of them, small ones
 * many in a message, and bytes that come as streams in memory that all threads share. Bounded, so that nobody
 * runs ahead of the workers by more than a few messages.
 */

/** How a content is cut and judged. */
export interface Cut {
  readonly chunkBytes: number;
  /** null where there are no pages to verify. `chunkBytes` is a multiple of `pageBytes`. */
  readonly check: {
    readonly pageBytes: number;
    readonly firstBlock: number;
    readonly notFrom: bigint;
  } | null;
}

export interface CutOutcome {
  /** 32 bytes for each blob, in order. */
  readonly ids: Uint8Array;
  /** Bytes that are stored: fewer than were asked for where the file ends early. */
  readonly size: number;
  /** Bytes of new blobs before and as stored. */
  readonly newBytes: number;
  readonly storedBytes: number;
  readonly damaged: readonly { readonly block: number; readonly expected: number; readonly found: number }[];
  /** Why the file could not be read, or null. */
  readonly problem: FileProblem | null;
}

type Done = (outcome: CutOutcome) => void;

/** Takes a content piece by piece. */
export interface CutWriter {
  /** The bytes are copied. @throws the first failure of the queue. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that this was all. */
  end(): void;
}

export interface PieceQueue {
  /** Takes a file, of which at most `size` bytes are read. `done` is told what became of it. */
  file(path: ByteString, size: number, cut: Cut, done: Done): void;
  writer(cut: Cut, done: Done): CutWriter;
  /** Waits for a content that goes another way as well. */
  other(saving: Promise<CutOutcome>, done: Done): void;
  /** null where there is room for more, else resolves when there is. @throws the first failure. */
  room(): Promise<void> | null;
  /** Sends what has been taken and resolves when nothing is under way any more, whatever happened. */
  settled(): Promise<void>;
  /** The first failure, or null. */
  failure(): unknown;
}

/** A message goes out at this many pieces or bytes: large enough to cost nothing, small enough to spread. */
const batchPiecesMax = 128;
const batchBytesMax = 8 * 1024 * 1024;
/** A file is read in ranges of about this many bytes. */
const rangeBytes = 8 * 1024 * 1024;
const batchesPerWorker = 3;
/** Memory for bytes that come as streams: this many pieces of memory for each worker, and one being filled. */
const memoryBytes = 2 * 1024 * 1024;
const memoriesPerWorker = 2;
/** Contents that go another way at once. */
const othersMax = 4;

/** A content whose pieces are under way. */
interface Content {
  readonly pieces: (PieceOutcome | null)[];
  /** Pieces not known yet, and one until all are sent. */
  pending: number;
  readonly done: Done;
}

interface PieceOutcome extends CutOutcome {
  readonly asked: number;
}

/** Whose piece this is, and which. */
interface Owner {
  readonly content: Content;
  readonly piece: number;
  readonly asked: number;
}

interface Batch {
  readonly facts: number[];
  readonly owners: Owner[];
  bytes: number;
}

interface Memory {
  readonly shared: SharedArrayBuffer;
  readonly bytes: Uint8Array;
}

const newBatch = (): Batch => ({ facts: [], owners: [], bytes: 0 });

function addPiece(batch: Batch, owner: Owner, offset: number, cut: Cut, at: number): void {
  const { chunkBytes, check } = cut;
  const block = check ? check.firstBlock + at / check.pageBytes : 0;
  const notFrom = check?.notFrom ?? 0n;
  const halves = [Number((notFrom >> 32n) & 0xffffffffn), Number(notFrom & 0xffffffffn)] as const;
  batch.facts.push(offset, owner.asked, chunkBytes, check?.pageBytes ?? 0, block, ...halves);
  batch.owners.push(owner);
  batch.bytes += owner.asked;
}

const nothing = new Uint8Array(0);

/** Puts the pieces of a content together; what lies behind a piece that ended early is no part of it. */
function assemble(pieces: readonly (PieceOutcome | null)[]): CutOutcome {
  const [only] = pieces;
  if (pieces.length === 1 && only) return only;
  const taken: PieceOutcome[] = [];
  for (const piece of pieces) {
    if (!piece) break;
    if (piece.problem)
      return { ...piece, ids: nothing, damaged: pieces.flatMap((each) => each?.damaged ?? []) };
    taken.push(piece);
    if (piece.size < piece.asked) break;
  }
  const sum = (of: (piece: PieceOutcome) => number): number => taken.reduce((all, one) => all + of(one), 0);
  return {
    ids: taken.length === 0 ? nothing : Buffer.concat(taken.map(({ ids }) => ids)),
    size: sum(({ size }) => size),
    newBytes: sum(({ newBytes }) => newBytes),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    damaged: taken.flatMap(({ damaged }) => damaged),
    problem: null,
  };
}

function deliver(owners: readonly Owner[], outcome: PageBatchOutcome): void {
  const problems = new Map(outcome.problems.map(({ piece, problem }) => [piece, problem]));
  const damaged = new Map<number, { block: number; expected: number; found: number }[]>();
  for (let at = 0; at < outcome.damaged.length; at += factsPerDamagedPage) {
    const [piece, block, expected, found] = outcome.damaged.subarray(at, at + factsPerDamagedPage);
    const pages = damaged.get(piece!) ?? [];
    pages.push({ block: block!, expected: expected!, found: found! });
    damaged.set(piece!, pages);
  }
  let idsAt = 0;
  for (let n = 0; n < owners.length; n++) {
    const { content, piece, asked } = owners[n]!;
    const fact = n * outcomeFactsPerPiece;
    const idsEnd = idsAt + outcome.facts[fact]! * 32;
    content.pieces[piece] = {
      asked,
      ids: outcome.ids.subarray(idsAt, idsEnd),
      size: outcome.facts[fact + 1]!,
      newBytes: outcome.facts[fact + 2]!,
      storedBytes: outcome.facts[fact + 3]!,
      damaged: damaged.get(n) ?? [],
      problem: problems.get(n) ?? null,
    };
    idsAt = idsEnd;
    settlePiece(content);
  }
}

function settlePiece(content: Content): void {
  if (--content.pending === 0) content.done(assemble(content.pieces));
}

/** @param batchDone told after each message's outcomes were delivered. */
export function createPieceQueue(
  store: Pick<BlobStore, 'savePages' | 'pool'>,
  batchDone: () => void,
  onFailure: (error: unknown) => void,
): PieceQueue {
  const underWay = new Set<Promise<void>>();
  let failed = false;
  let failure: unknown = null;
  const wake: (() => void)[] = [];

  let files = newBatch();
  let paths = '';

  let filling: { memory: Memory; batch: Batch; used: number } | null = null;
  /** Whether a content is being written, so that what is being filled cannot be sent yet. */
  let writing = false;
  const memoriesMax = memoriesPerWorker * store.pool.size + 1;
  const spare: Memory[] = [];
  let memories = 0;
  let others = 0;

  function track(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: unknown) => {
        if (failed) return;
        failed = true;
        failure = error;
        onFailure(error);
      })
      .finally(() => {
        underWay.delete(tracked);
        for (const each of wake.splice(0)) each();
      });
    underWay.add(tracked);
  }

  function sendFiles(): void {
    const { facts, owners } = files;
    if (owners.length === 0) return;
    const source = { paths };
    files = newBatch();
    paths = '';
    track(
      store.savePages({ source, facts: Float64Array.from(facts) }).then((outcome) => {
        deliver(owners, outcome);
        batchDone();
      }),
    );
  }

  function sendMemory(): void {
    if (!filling) return;
    const { memory, batch } = filling;
    filling = null;
    if (batch.owners.length === 0) {
      spare.push(memory);
      return;
    }
    const job = { source: { memory: memory.shared }, facts: Float64Array.from(batch.facts) };
    track(
      store
        .savePages(job)
        .then((outcome) => {
          deliver(batch.owners, outcome);
          batchDone();
        })
        .finally(() => spare.push(memory)),
    );
  }

  function nextChange(): Promise<void> {
    return new Promise<void>((resolve) => wake.push(resolve));
  }

  function throwIfFailed(): void {
    if (failed) throw failure;
  }

  /** Memory to fill. Pieces of memory that are too small for a chunk are let go. */
  async function takeMemory(bytesMin: number): Promise<Memory> {
    for (;;) {
      throwIfFailed();
      const free = spare.pop();
      if (free && free.bytes.length >= bytesMin) return free;
      if (free) memories--;
      if (memories < memoriesMax) {
        memories++;
        const shared = new SharedArrayBuffer(Math.max(memoryBytes, bytesMin));
        return { shared, bytes: new Uint8Array(shared) };
      }
      await nextChange();
    }
  }

  const isFull = (): boolean => underWay.size >= batchesPerWorker * store.pool.size || others >= othersMax;

  async function waitForRoom(): Promise<void> {
    while (!failed && isFull()) await nextChange();
    throwIfFailed();
  }

  return {
    file(path, size, cut, done) {
      const content: Content = { pieces: [], pending: 1, done };
      const step = Math.max(1, Math.floor(rangeBytes / cut.chunkBytes)) * cut.chunkBytes;
      for (let at = 0; at < size; at += step) {
        const owner = { content, piece: content.pieces.length, asked: Math.min(step, size - at) };
        content.pieces.push(null);
        content.pending++;
        addPiece(files, owner, at, cut, at);
        paths += `${path}\0`;
        if (files.owners.length >= batchPiecesMax || files.bytes >= batchBytesMax) sendFiles();
      }
      settlePiece(content);
    },

    writer(cut, done) {
      const content: Content = { pieces: [], pending: 1, done };
      /** Bytes of the content in pieces that are complete. */
      let sent = 0;
      /** Where the piece that is being filled begins in the memory, and its bytes so far. */
      let start = 0;
      let held = 0;

      function closePiece(bytes: number): void {
        if (!filling || bytes === 0) return;
        const owner = { content, piece: content.pieces.length, asked: bytes };
        content.pieces.push(null);
        content.pending++;
        addPiece(filling.batch, owner, start, cut, sent);
        sent += bytes;
      }

      /** Goes on in new memory: whole chunks stay in the old one, the beginning of the next moves along. */
      async function nextMemory(): Promise<void> {
        const before = filling;
        const whole = Math.floor(held / cut.chunkBytes) * cut.chunkBytes;
        closePiece(whole);
        const rest = before?.memory.bytes.slice(start + whole, start + held) ?? nothing;
        sendMemory();
        const memory = await takeMemory(cut.chunkBytes);
        memory.bytes.set(rest);
        filling = { memory, batch: newBatch(), used: rest.length };
        start = 0;
        held = rest.length;
      }

      if (filling) start = filling.used;
      writing = true;
      return {
        async write(bytes) {
          throwIfFailed();
          for (let taken = 0; taken < bytes.length; ) {
            if (!filling || filling.used === filling.memory.bytes.length) await nextMemory();
            const { memory } = filling!;
            const part = bytes.subarray(taken, taken + memory.bytes.length - filling!.used);
            memory.bytes.set(part, filling!.used);
            filling!.used += part.length;
            held += part.length;
            taken += part.length;
          }
        },
        end() {
          closePiece(held);
          held = 0;
          writing = false;
          if (filling && filling.batch.owners.length >= batchPiecesMax) sendMemory();
          settlePiece(content);
        },
      };
    },

    other(saving, done) {
      others++;
      track(
        saving
          .then((outcome) => {
            done(outcome);
            batchDone();
          })
          .finally(() => others--),
      );
    },

    room() {
      throwIfFailed();
      return isFull() ? waitForRoom() : null;
    },

    async settled() {
      do {
        sendFiles();
        if (!writing) sendMemory();
        await Promise.all(underWay);
      } while (underWay.size > 0);
    },
    failure: () => failure,
  };
}
