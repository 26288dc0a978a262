import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import type { BlobIndex } from './index/blob-index.ts';
import { keyOf } from './layout.ts';
import type { Repository } from './repository.ts';
import { createPackCheck } from './workers/check-pack.ts';
import { openPool } from './workers/pool.ts';
import type { CheckPackInput, CheckPackOutput } from './workers/protocol.ts';

export interface PackToCheck extends Pick<CheckPackInput, 'entries' | 'whole' | 'trees' | 'references'> {
  readonly id: Id;
  /** Size as storage lists it. */
  readonly bytes: number;
}

export type PackOutcome = CheckPackOutput;

/** Checks packs: on worker threads, or on this one where there is too little to do to start any. */
export interface PackChecker {
  /** Packs that may usefully be under way at once. */
  readonly ahead: number;
  /** Never throws for what is wrong with a pack. */
  check(pack: PackToCheck): Promise<PackOutcome>;
  /** Stored bytes of blobs checked so far. */
  progressBytes(): number;
  close(): Promise<void>;
}

/** Below this many bytes the start of threads would take longer than the work. */
const threadsFromBytes = 8 * 1024 * 1024;
/** Whole packs in memory on their way from a storage that is no local folder. */
const fetchedBytesMax = 128 * 1024 * 1024;

export function openPackChecker(repository: Repository, index: BlobIndex, bytesToCheck: number): PackChecker {
  const { storage } = repository;
  const runner =
    bytesToCheck < threadsFromBytes ? inlineRunner(repository, index) : poolRunner(repository, index);
  let fetchedBytes = 0;
  const waiting: (() => void)[] = [];

  async function roomFor(bytes: number): Promise<void> {
    while (fetchedBytes > 0 && fetchedBytes + bytes > fetchedBytesMax)
      await new Promise<void>((resolve) => waiting.push(resolve));
    fetchedBytes += bytes;
  }

  async function checkFetched(input: Omit<CheckPackInput, 'source'>): Promise<PackOutcome> {
    await roomFor(input.packBytes);
    try {
      const bytes = await storage.load(keyOf('data', input.packId as Id));
      return await runner.run({ ...input, source: { bytes } });
    } catch (error) {
      const unreadable = `pack ${input.packId} cannot be read: ${messageOf(error)}`;
      return { bytes: 0, problems: [], unreadable, trees: null };
    } finally {
      fetchedBytes -= input.packBytes;
      for (const wake of waiting.splice(0)) wake();
    }
  }

  return {
    ahead: runner.ahead,
    async check({ id, bytes, ...what }) {
      const input = { ...what, packId: id, packBytes: bytes };
      const path = storage.localPath(keyOf('data', id));
      return path === null ? checkFetched(input) : runner.run({ ...input, source: { path } });
    },
    progressBytes: runner.progressBytes,
    close: runner.close,
  };
}

interface Runner {
  readonly ahead: number;
  run(input: CheckPackInput): Promise<CheckPackOutput>;
  progressBytes(): number;
  close(): Promise<void>;
}

function inlineRunner(repository: Repository, index: BlobIndex): Runner {
  let done = 0;
  const checkPack = createPackCheck({
    sealer: repository.sealer,
    table: index.table,
    progress: (bytes) => {
      done += bytes;
    },
  });
  return {
    ahead: 1,
    async run(input) {
      await nextTurn();
      return checkPack(input);
    },
    progressBytes: () => done,
    close: () => Promise.resolve(),
  };
}

function poolRunner(repository: Repository, index: BlobIndex): Runner {
  const pool = openPool(repository, { table: index.table.memory });
  return {
    ahead: pool.size * 3,
    run: (input) => pool.run('checkPack', input),
    progressBytes: pool.progressBytes,
    close: pool.close,
  };
}
