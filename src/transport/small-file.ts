import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { errnoOf, LifeboatError } from '../core/errors.ts';

/**
 * Reads small files that people name: configurations, passwords. Those may be pipes, as of a shell's `<(command)`,
 * and anything else that a path can lead to; none of that may make a command wait without end.
 */

export interface SmallFileLimits {
  readonly bytesMax: number;
  readonly signal?: AbortSignal;
  /** How long a pipe may be silent while somebody has it open for writing. */
  readonly silenceMs?: number;
  /** How long a pipe may wait for somebody to open it for writing. */
  readonly openMs?: number;
}

export interface SmallFile {
  readonly bytes: Buffer;
  /** st_mode */
  readonly mode: number;
  /** False for pipes and devices: these may have nothing left for who reads them again. */
  readonly isRegular: boolean;
}

/** Somebody may have to approve what a command in a pipe asks for. */
const silenceDefaultMs = 60_000;
const openDefaultMs = 10_000;
const pollMs = 20;

const unreadable = (why: string): Error => new Error(why);

/**
 * The whole content.
 * @throws LifeboatError `cancelled`; Error of the system with its `code`, or one that says why it is not read: too
 * large, or nothing came.
 */
export async function readSmallFile(path: string, limits: SmallFileLimits): Promise<SmallFile> {
  // Opened without waiting: a pipe that nobody writes to would keep a thread for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = await file.stat();
    const bytes = await readToEnd(file, stat.isFIFO(), limits);
    return { bytes, mode: stat.mode, isRegular: stat.isFile() };
  } finally {
    await file.close();
  }
}

async function readToEnd(file: FileHandle, isPipe: boolean, limits: SmallFileLimits): Promise<Buffer> {
  const { bytesMax, signal, silenceMs = silenceDefaultMs, openMs = openDefaultMs } = limits;
  const room = Buffer.alloc(bytesMax + 1);
  let filled = 0;
  let heardMs = performance.now();
  let hasWriter = false;
  for (;;) {
    if (signal?.aborted)
      throw new LifeboatError('cancelled', 'reading was interrupted', { cause: signal.reason });
    const got = await readSome(file, room.subarray(filled));
    if (got !== null && got > 0) {
      filled += got;
      heardMs = performance.now();
      if (filled > bytesMax) throw unreadable(`it is larger than ${Math.floor(bytesMax / 1024)} KiB`);
      continue;
    }
    hasWriter ||= got === null;
    // A pipe ends when its last writer closes it, but it also reads as ended before the first has come.
    if (got === 0 && (!isPipe || hasWriter || filled > 0)) return room.subarray(0, filled);
    const waitedMs = performance.now() - heardMs;
    if (waitedMs > (hasWriter ? silenceMs : openMs))
      throw unreadable(
        hasWriter
          ? `it gave nothing for ${silenceMs / 1000} s`
          : `it is a pipe that nobody wrote to for ${openMs / 1000} s`,
      );
    await setTimeout(pollMs);
  }
}

/** null where there is nothing yet. */
async function readSome(file: FileHandle, into: Buffer): Promise<number | null> {
  try {
    return (await file.read(into, 0, into.length)).bytesRead;
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return null;
    throw error;
  }
}
