import { LifeboatError } from '../core/errors.ts';
import { bindNative } from './native.ts';
import type { Compressor, Decompressor } from './zstd.ts';
import type { ZstdParameters } from './zstd-parameters.ts';

/** ZSTD_cParameter of zstd.h; the numbers are part of its stable interface. */
const parameterCodes = [
  ['level', 100],
  ['windowLog', 101],
  ['hashLog', 102],
  ['chainLog', 103],
  ['searchLog', 104],
  ['minMatch', 105],
  ['targetLength', 106],
  ['strategy', 107],
  ['checksum', 201],
] as const;

/** ZSTD_error_dstSize_tooSmall of zstd_errors.h. */
const destinationTooSmall = 70;

// Sizes come back as size_t, errors as its highest values. Blobs are far below 2 GiB, so the lower half
// tells both, as a plain signed number instead of a BigInt.
const compressorSignatures = {
  ZSTD_createCCtx: { arguments: [], return: 'pointer' },
  ZSTD_freeCCtx: { arguments: ['pointer'], return: 'int32' },
  ZSTD_CCtx_setParameter: { arguments: ['pointer', 'int32', 'int32'], return: 'int32' },
  ZSTD_compress2: { arguments: ['pointer', 'buffer', 'uint64', 'buffer', 'uint64'], return: 'int32' },
} as const;

const decompressorSignatures = {
  ZSTD_createDCtx: { arguments: [], return: 'pointer' },
  ZSTD_freeDCtx: { arguments: ['pointer'], return: 'int32' },
  ZSTD_decompressDCtx: { arguments: ['pointer', 'buffer', 'uint64', 'buffer', 'uint64'], return: 'int32' },
} as const;

/** zstd's own context: ZSTD_compress2 of the library in the Node binary. Null where that is out of reach. */
export function createNativeCompressor(parameters: ZstdParameters): Compressor | null {
  const zstd = bindNative(compressorSignatures);
  if (zstd === null) return null;
  let context = zstd.ZSTD_createCCtx();
  if (context === 0n) return null;
  const close = () => {
    if (context !== 0n) zstd.ZSTD_freeCCtx(context);
    context = 0n;
  };
  for (const [name, code] of parameterCodes) {
    const value = parameters[name];
    if (value !== undefined && zstd.ZSTD_CCtx_setParameter(context, code, value) < 0) {
      close();
      throw new LifeboatError('internal', `zstd takes no ${name} of ${value}`);
    }
  }
  return {
    compress(src, dst, dstOffset) {
      if (context === 0n) throw new LifeboatError('internal', 'compressor used after it was closed');
      if (!(dstOffset >= 0 && dstOffset < dst.length)) return -1;
      const place = dstOffset === 0 ? dst : dst.subarray(dstOffset);
      const written = zstd.ZSTD_compress2(context, place, BigInt(place.length), src, BigInt(src.length));
      if (written >= 0) return written;
      if (written === -destinationTooSmall) return -1;
      throw new LifeboatError(
        'internal',
        `zstd compression of ${src.length} bytes failed with code ${-written}`,
      );
    },
    close,
  };
}

/** zstd's own context: ZSTD_decompressDCtx of the library in the Node binary. Null where that is out of reach. */
export function createNativeDecompressor(): Decompressor | null {
  const zstd = bindNative(decompressorSignatures);
  if (zstd === null) return null;
  let context = zstd.ZSTD_createDCtx();
  if (context === 0n) return null;
  // An empty destination still needs an address.
  const nowhere = new Uint8Array(128);
  return {
    decompress(src, dst) {
      if (context === 0n) throw new LifeboatError('internal', 'decompressor used after it was closed');
      if (src.length === 0) return 0;
      const place = dst.length === 0 ? nowhere : dst;
      const written = zstd.ZSTD_decompressDCtx(context, place, BigInt(dst.length), src, BigInt(src.length));
      if (written >= 0) return written;
      const reason =
        written === -destinationTooSmall
          ? `they hold more than ${dst.length}`
          : `zstd error code ${-written}`;
      throw new LifeboatError(
        'repository-damaged',
        `${src.length} compressed bytes cannot be decompressed: ${reason}`,
      );
    },
    close() {
      if (context !== 0n) zstd.ZSTD_freeDCtx(context);
      context = 0n;
    },
  };
}
