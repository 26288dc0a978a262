import { chunkerDegree, modulo, type Polynomial } from '../polynomial.ts';

/**
 * restic's chunker, word for word from its definition and slow: each window's fingerprint moves on by one
 * byte at a time with big integers. Also tells the fingerprint at a cut, which the fast version does not.
 */

export interface ChunkerLimits {
  /** Bytes. Where a chunk may end at the earliest; at least 64. */
  readonly chunkBytesMin: number;
  /** Bytes. Where a chunk ends at the latest. */
  readonly chunkBytesMax: number;
  /** A chunk ends where this many low bits of the fingerprint are zero. */
  readonly averageBits: number;
}

export const resticLimits: ChunkerLimits = {
  chunkBytesMin: 512 * 1024,
  chunkBytesMax: 8 * 1024 * 1024,
  averageBits: 20,
};

export interface TwinChunk {
  readonly length: number;
  /** The fingerprint where the chunk ended. */
  readonly fingerprint: bigint;
}

const windowBytes = 64;

/** The remainder of `value` (any size) times x^shift modulo the polynomial, for each byte value. */
function byteTable(polynomial: Polynomial, shift: number): bigint[] {
  return Array.from({ length: 256 }, (_, byte) => modulo(BigInt(byte) << BigInt(shift), polynomial));
}

/** Cuts one stream given in pieces. */
export function createTwinChunker(polynomial: Polynomial, limits: ChunkerLimits = resticLimits) {
  const leaving = byteTable(polynomial, 8 * windowBytes);
  const reduced = byteTable(polynomial, chunkerDegree);
  const topShift = BigInt(chunkerDegree - 8);
  const lowMask = (1n << topShift) - 1n;
  const cutMask = (1n << BigInt(limits.averageBits)) - 1n;

  const window = new Uint8Array(windowBytes);
  let position = 0;
  let fingerprint = 0n;
  let length = 0;

  function slide(byte: number): void {
    const oldest = window[position] ?? 0;
    window[position] = byte;
    position = (position + 1) % windowBytes;
    const top = Number(fingerprint >> topShift);
    const shifted = ((fingerprint & lowMask) << 8n) | BigInt(byte);
    fingerprint = shifted ^ (reduced[top] ?? 0n) ^ (leaving[oldest] ?? 0n);
  }

  function reset(): void {
    window.fill(0);
    position = 0;
    fingerprint = 0n;
    length = 0;
    slide(1);
  }

  reset();
  return {
    /** Takes the next piece; returns the chunks that end in it. */
    push(piece: Uint8Array): TwinChunk[] {
      const chunks: TwinChunk[] = [];
      for (const byte of piece) {
        length++;
        if (length <= limits.chunkBytesMin - windowBytes) continue;
        slide(byte);
        const mayEnd = length >= limits.chunkBytesMin;
        if (mayEnd && ((fingerprint & cutMask) === 0n || length >= limits.chunkBytesMax)) {
          chunks.push({ length, fingerprint });
          reset();
        }
      }
      return chunks;
    },
    /** The rest as a last chunk, or null when there is none. */
    end(): TwinChunk | null {
      const rest = length === 0 ? null : { length, fingerprint };
      reset();
      return rest;
    },
  };
}
