import type { Readable } from 'node:stream';
import { LifeboatError } from '../../core/errors.ts';

/** Content on its way to S3 and back. */

/** The parts as one buffer; a single part is not copied. */
export function joined(parts: readonly Uint8Array[]): Buffer {
  const [only] = parts;
  return parts.length === 1 && only
    ? Buffer.from(only.buffer, only.byteOffset, only.byteLength)
    : Buffer.concat(parts);
}

/** Reads an answer of known length. @throws Error where the connection ended before. */
export async function readBody(body: Readable, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let read = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (read + chunk.length > length) break;
    read += chunk.copy(buffer, read);
  }
  if (read < length)
    throw new LifeboatError('storage-unreachable', `the connection ended after ${read} of ${length} bytes`);
  return buffer;
}
