import { chunkerDegree, modulo, type Polynomial } from '../polynomial.ts';

/**
 * restic's chunker as its definition reads, one byte at a time. Takes any limits and tells the fingerprint
 * at a cut, which the fast version does not.
 *
 * A fingerprint has 53 bits: `low` holds 32 of them and `high` the rest.
 */

export interface ChunkerLimits {
  /** Bytes. Where a chunk may end at the earliest; at least 64. */
  readonly chunkBytesMin: number;
  /** Bytes. Where a chunk ends at the latest. */
  readonly chunkBytesMax: number;
  /** A chunk ends where this many low bits of the fingerprint are zero; at most 32. */
  readonly averageBits: number;
}

export const resticLimits: ChunkerLimits = {
  chunkBytesMin: 512 * 1024,
  chunkBytesMax: 8 * 1024 * 1024,
  averageBits: 20,
};

export interface TwinChunk {
  /** Bytes. */
  readonly length: number;
  /** Where the chunk ended. */
  readonly fingerprint: bigint;
}

export interface TwinChunker {
  /** Takes the next piece of the stream; returns the chunks that end in it. */
  push(piece: Uint8Array): TwinChunk[];
  /** The rest as a last chunk, or null when there is none. */
  end(): TwinChunk | null;
}

const windowBytes = 64;
const highTopBits = chunkerDegree - 32 - 8;

/** byte * x^shift modulo the polynomial for each byte, in two halves. */
function byteTable(polynomial: Polynomial, shift: number): { high: Int32Array; low: Int32Array } {
  const entries = Array.from({ length: 256 }, (_, byte) => modulo(BigInt(byte) << BigInt(shift), polynomial));
  return {
    high: Int32Array.from(entries, (entry) => Number(entry >> 32n)),
    low: Int32Array.from(entries, (entry) => Number(BigInt.asIntN(32, entry))),
  };
}

export function createTwinChunker(polynomial: Polynomial, limits: ChunkerLimits = resticLimits): TwinChunker {
  const { chunkBytesMin, chunkBytesMax, averageBits } = limits;
  const leaving = byteTable(polynomial, 8 * windowBytes);
  const reduced = byteTable(polynomial, chunkerDegree);
  const cutMask = averageBits === 32 ? -1 : (1 << averageBits) - 1;

  const window = new Uint8Array(windowBytes);
  let position = 0;
  let high = 0;
  let low = 0;
  let length = 0;

  function slide(byte: number): void {
    const oldest = window[position] ?? 0;
    window[position] = byte;
    position = (position + 1) % windowBytes;
    const top = high >>> highTopBits;
    const shiftedHigh = ((high & ((1 << highTopBits) - 1)) << 8) | (low >>> 24);
    const shiftedLow = (low << 8) | byte;
    high = shiftedHigh ^ (reduced.high[top] ?? 0) ^ (leaving.high[oldest] ?? 0);
    low = shiftedLow ^ (reduced.low[top] ?? 0) ^ (leaving.low[oldest] ?? 0);
  }

  function reset(): void {
    window.fill(0);
    position = 0;
    high = 0;
    low = 0;
    length = 0;
    slide(1);
  }

  const chunk = (): TwinChunk => ({ length, fingerprint: (BigInt(high) << 32n) | BigInt(low >>> 0) });

  reset();
  return {
    push(piece) {
      const chunks: TwinChunk[] = [];
      for (const byte of piece) {
        length++;
        if (length <= chunkBytesMin - windowBytes) continue;
        slide(byte);
        if (length >= chunkBytesMin && ((low & cutMask) === 0 || length >= chunkBytesMax)) {
          chunks.push(chunk());
          reset();
        }
      }
      return chunks;
    },
    end() {
      const rest = length === 0 ? null : chunk();
      reset();
      return rest;
    },
  };
}
