import { Readable } from 'node:stream';
import { LifeboatError } from '../core/errors.ts';
import type { Pacer } from './pacer.ts';

/** Content on its way to a storage and back. */

/** The parts as one buffer; a single part is not copied. */
export function joined(parts: readonly Uint8Array[]): Buffer {
  const [only] = parts;
  return parts.length === 1 && only
    ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
    : Buffer.concat(parts);
}

/** From this size on content is worth giving to workers without a copy. */
const sharedBytesMin = 1024 * 1024;

/** Memory to read into; of large content such that threads can share it. */
export function roomFor(bytes: number): Buffer {
  return bytes < sharedBytesMin ? Buffer.allocUnsafe(bytes) : Buffer.from(new SharedArrayBuffer(bytes));
}

/** Reads an answer of known length. @throws Error where the connection ended before. */
export async function readBody(body: Readable, length: number, pacer: Pacer | null): Promise<Buffer> {
  const buffer = roomFor(length);
  let read = 0;
  /** Whether that was all. */
  const take = (chunk: Buffer): boolean => {
    const isTooMuch = read + chunk.length > length;
    if (!isTooMuch) read += chunk.copy(buffer, read);
    return isTooMuch;
  };
  if (pacer) {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (take(chunk)) break;
      await pacer.take(chunk.length);
    }
  } else {
    // An iterator would take longer for each chunk than copying it does.
    await new Promise<void>((resolve, reject) => {
      body.on('data', (chunk: Buffer) => {
        if (take(chunk)) body.destroy();
      });
      body.once('error', reject);
      body.once('end', resolve);
      body.once('close', resolve);
    });
  }
  if (read < length)
    throw new LifeboatError('storage-unreachable', `the connection ended after ${read} of ${length} bytes`);
  return buffer;
}

const pieceBytes = 64 * 1024;

/** A body that leaves no faster than the pacer lets it. */
export function pacedBody(body: Buffer, pacer: Pacer): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let start = 0; start < body.length; start += pieceBytes) {
      const piece = body.subarray(start, start + pieceBytes);
      await pacer.take(piece.length);
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
