import { constants, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import type { Compressor, Decompressor } from './zstd.ts';
import type { ZstdParameters } from './zstd-parameters.ts';

const parameterCodes = [
  ['level', constants.ZSTD_c_compressionLevel],
  ['windowLog', constants.ZSTD_c_windowLog],
  ['hashLog', constants.ZSTD_c_hashLog],
  ['chainLog', constants.ZSTD_c_chainLog],
  ['searchLog', constants.ZSTD_c_searchLog],
  ['minMatch', constants.ZSTD_c_minMatch],
  ['targetLength', constants.ZSTD_c_targetLength],
  ['strategy', constants.ZSTD_c_strategy],
  ['checksum', constants.ZSTD_c_checksumFlag],
] as const;

const tooLarge = 'ERR_BUFFER_TOO_LARGE';

/** `node:zlib`: a new context for each call, so slower on small blobs, but always there. */
export function createNodeCompressor(parameters: ZstdParameters): Compressor {
  const params: Record<number, number> = {};
  for (const [name, code] of parameterCodes) {
    const value = parameters[name];
    if (value !== undefined) params[code] = value;
  }
  return {
    compress(src, dst, dstOffset) {
      const room = dst.length - dstOffset;
      if (!(dstOffset >= 0 && room > 0)) return -1;
      const options: ZstdOptions = { params, maxOutputLength: room, pledgedSrcSize: src.length };
      try {
        const frame = zstdCompressSync(src, options);
        dst.set(frame, dstOffset);
        return frame.length;
      } catch (error) {
        if (errnoOf(error) === tooLarge) return -1;
        throw new LifeboatError(
          'internal',
          `zstd compression of ${src.length} bytes failed: ${messageOf(error)}`,
          {
            cause: error,
          },
        );
      }
    },
    close() {},
  };
}

/** What `info: true` adds to the result, which the type definitions leave out. */
interface Inspected {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** `node:zlib`: as strict as the library's own one-call interface, trailing bytes included. */
export function createNodeDecompressor(): Decompressor {
  const refused = (src: Uint8Array, reason: string, cause?: unknown) =>
    new LifeboatError(
      'repository-damaged',
      `${src.length} compressed bytes cannot be decompressed: ${reason}`,
      {
        cause,
      },
    );
  return {
    decompress(src, dst) {
      if (src.length === 0) return 0;
      let result: Inspected;
      try {
        // zlib refuses a limit of 0.
        const options = { maxOutputLength: Math.max(1, dst.length), info: true };
        result = zstdDecompressSync(src, options) as unknown as Inspected;
      } catch (error) {
        const reason = errnoOf(error) === tooLarge ? `they hold more than ${dst.length}` : messageOf(error);
        throw refused(src, reason, error);
      }
      if (result.engine.bytesWritten !== src.length) throw refused(src, 'bytes follow the last frame');
      if (result.buffer.length > dst.length) throw refused(src, `they hold more than ${dst.length}`);
      dst.set(result.buffer);
      return result.buffer.length;
    },
    close() {},
  };
}
