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

/** Reads an answer of known length. @throws Error where the connection ended before. */
export async function readBody(body: Readable, length: number, pacer: Pacer | null): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let read = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (read + chunk.length > length) break;
    read += chunk.copy(buffer, read);
    if (pacer) await pacer.take(chunk.length);
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
