import { instantiateKernels, type KernelExports } from './load.ts';
import { chunkerDegree, degree, modulo, type Polynomial } from './polynomial.ts';

/** restic's limits (restic/chunker, chunker.go): a chunk ends between these sizes, at 1.5 MiB on average. */
export const chunkBytesMin = 512 * 1024;
export const chunkBytesMax = 8 * 1024 * 1024;

/** Where a chunker cuts. */
export interface CutRule {
  /** A chunk ends where this many low bits of the fingerprint are zero: 13 to 20, so 8 KiB to 1 MiB apart. */
  readonly averageBits: number;
  /** Bytes; at least 64. */
  readonly chunkBytesMin: number;
  readonly chunkBytesMax: number;
}

/** restic's: files are always cut so. */
export const resticRule: CutRule = { averageBits: 20, chunkBytesMin, chunkBytesMax };

/**
 * For streams of records that change here and there, such as dumps of databases: a change costs one chunk, so
 * that small chunks keep a repository from growing. The format takes blobs of any size.
 * @param averageBytes a power of two from 8 KiB; from 1 MiB on restic's own rule.
 * @throws RangeError for another size.
 */
export function fineRule(averageBytes: number): CutRule {
  const averageBits = Math.log2(averageBytes);
  if (!Number.isInteger(averageBits) || averageBits < 13)
    throw new RangeError(`no rule cuts chunks of ${averageBytes} bytes on average`);
  if (averageBits >= resticRule.averageBits) return resticRule;
  return { averageBits, chunkBytesMin: averageBytes / 4, chunkBytesMax: averageBytes * 8 };
}

const windowBytes = 64;
const inputBytesDefault = 16 * 1024 * 1024;
const wasmPageBytes = 65536;
const stateBytes = 7;

/** Finds restic's cut points in data that lies in the kernel's own memory. One chunker serves one thread. */
export interface Chunker {
  /** Where the caller puts the data: files are read straight into it. Never detached, never moved. */
  readonly input: Uint8Array;
  /**
   * The end of the chunk that begins at `start`, for data that fills `input[start, end)`.
   *
   * @param isLast whether the data ends at `end`; if not, `end` itself is no reason for a cut
   * @param scanned a position up to which an earlier call for the same chunk has found nothing
   * @returns a position behind `start` and at most `end`; -1 when `isLast` is false and the chunk goes on
   */
  nextCut(start: number, end: number, isLast?: boolean, scanned?: number): number;
}

/** byte * x^shift modulo the polynomial, for each byte: a sum of the results for its bits. */
function byteTable(polynomial: Polynomial, shift: number): bigint[] {
  const table = [0n];
  for (let bit = 0; bit < 8; bit++) {
    const remainder = modulo(1n << BigInt(shift + bit), polynomial);
    table.push(...table.map((entry) => entry ^ remainder));
  }
  return table;
}

/** Fills the tables of assembly/rabin.ts, whose comment says what they hold. */
function fillTables(wasm: KernelExports, polynomial: Polynomial): void {
  const leavingTable = byteTable(polynomial, 8 * windowBytes);
  const reducedTable = byteTable(polynomial, chunkerDegree);
  const leaving = (byte: number) => leavingTable[byte] ?? 0n;
  const reduced = (byte: number) => reducedTable[byte] ?? 0n;
  const view = new DataView(wasm.memory.buffer, wasm.rabinTables());
  for (let byte = 0; byte < 256; byte++) {
    view.setBigUint64(8 * byte, leaving(byte), true);
    view.setBigUint64(2048 + 8 * byte, reduced(byte) | (BigInt(byte) << BigInt(chunkerDegree)), true);
  }
  const maps = [
    (n: number) => reduced(n),
    (n: number) => reduced(n << 4),
    (n: number) => leaving(n),
    (n: number) => leaving(n << 4),
  ];
  maps.forEach((map, index) => {
    for (let n = 0; n < 16; n++) {
      const state = map(n) << 3n;
      for (let k = 0; k < stateBytes; k++) {
        view.setUint8(4096 + 64 * k + 16 * index + n, Number((state >> BigInt(8 * k)) & 0xffn));
      }
    }
  });
}

/**
 * @param polynomial the repository's, of degree 53
 * @param inputBytes size of `input`; at least twice the largest chunk lets a reader move data rarely
 * @throws RangeError for another degree
 */
export function createChunker(
  polynomial: Polynomial,
  inputBytes: number = inputBytesDefault,
  rule: CutRule = resticRule,
): Chunker {
  if (degree(polynomial) !== chunkerDegree) {
    throw new RangeError(`chunker polynomial has degree ${degree(polynomial)}, not ${chunkerDegree}`);
  }
  const wasm = instantiateKernels();
  const inputAt = Math.ceil(wasm.heapBase() / wasmPageBytes) * wasmPageBytes;
  const pagesNeeded = Math.ceil((inputAt + inputBytes) / wasmPageBytes);
  wasm.memory.grow(pagesNeeded - wasm.memory.buffer.byteLength / wasmPageBytes);
  fillTables(wasm, polynomial);
  wasm.rabinAverage(rule.averageBits);
  const input = new Uint8Array(wasm.memory.buffer, inputAt, inputBytes);

  return {
    input,
    nextCut(start, end, isLast = true, scanned = start) {
      if (!(start >= 0 && start <= end && end <= inputBytes)) {
        throw new RangeError(`no data from ${start} to ${end} in an input of ${inputBytes} bytes`);
      }
      const limit = Math.min(end, start + rule.chunkBytesMax);
      const from = Math.max(start + rule.chunkBytesMin, scanned + 1);
      if (from <= limit) {
        const cut = wasm.rabinScan(inputAt + from, inputAt + limit);
        if (cut !== 0) return cut - inputAt;
      }
      return isLast || limit === start + rule.chunkBytesMax ? limit : -1;
    },
  };
}
