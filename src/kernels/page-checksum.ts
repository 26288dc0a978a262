import { instantiateKernels, type KernelExports } from './load.ts';
import { pageChecksumTwin } from './twins/page-checksum.ts';

/**
 * Checksums of PostgreSQL's data pages (src/include/storage/checksum_impl.h), for finding pages that a disk has
 * damaged. Multi-byte fields are little-endian, as on every machine this program runs on.
 */

/** A page that is not what its checksum says. */
export interface BadPage {
  /** Place among the pages that were verified, from 0. */
  readonly page: number;
  /** Checksum of what the page holds. */
  readonly expected: number;
  /** Checksum that the page says it has. */
  readonly found: number;
}

/** Verifies pages that lie in the kernel's own memory. One verifier serves one thread. */
export interface PageVerifier {
  /** Where the caller puts pages: files are read straight into it. Never detached, never moved. */
  readonly input: Uint8Array;
  /**
   * Verifies the pages that fill `input` from its beginning.
   *
   * Not judged are new pages (all zeros) and pages whose LSN is at least `notFrom`. A page that claims to be new
   * (pd_upper is 0) but holds something is judged, as the server judges it (bufpage.c, PageIsVerified).
   *
   * @param pages how many
   * @param firstBlock number of the first page in its relation
   */
  verify(pages: number, pageBytes: number, firstBlock: number, notFrom: bigint): BadPage[];
}

/** Rows of 32 words of 4 bytes. */
const rowBytes = 128;
const wasmPageBytes = 65536;
const checksumAt = 8;
/** PostgreSQL is built with blocks of up to 32 KiB. */
export const pageBytesMax = 32 * 1024;

function checkPageBytes(pageBytes: number): void {
  if (pageBytes <= 0 || pageBytes > pageBytesMax || pageBytes % rowBytes !== 0)
    throw new RangeError(`a page has ${pageBytes} bytes, which is no multiple of ${rowBytes} up to 32 KiB`);
}

interface Kernel {
  readonly wasm: KernelExports;
  readonly inputAt: number;
  readonly input: Uint8Array;
}

/** Any page will do that is no pattern: the twin knows the answer. */
function answersTheTwin({ wasm, inputAt, input }: Kernel): boolean {
  const page = input.subarray(0, 2 * rowBytes);
  for (let at = 0; at < page.length; at++) page[at] = Math.imul(at + 1, 2654435761) >>> 24;
  const passes = wasm.pageSum(inputAt, page.length, 77) >>> 0 === pageChecksumTwin(page, 77);
  page.fill(0);
  return passes;
}

function createKernel(inputBytes: number): Kernel {
  const wasm = instantiateKernels();
  const inputAt = Math.ceil(wasm.heapBase() / wasmPageBytes) * wasmPageBytes;
  const pagesNeeded = Math.ceil((inputAt + inputBytes) / wasmPageBytes);
  wasm.memory.grow(Math.max(0, pagesNeeded - wasm.memory.buffer.byteLength / wasmPageBytes));
  return { wasm, inputAt, input: new Uint8Array(wasm.memory.buffer, inputAt, inputBytes) };
}

/** The plain version, for a machine on which the kernel answers wrongly. */
function createTwinVerifier(inputBytes: number): PageVerifier {
  const input = new Uint8Array(inputBytes);
  return {
    input,
    verify(pages, pageBytes, firstBlock, notFrom) {
      checkPageBytes(pageBytes);
      const view = new DataView(input.buffer);
      const bad: BadPage[] = [];
      for (let page = 0; page < pages; page++) {
        const at = page * pageBytes;
        const bytes = input.subarray(at, at + pageBytes);
        const lsn = (BigInt(view.getUint32(at, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
        if (lsn >= notFrom || !bytes.some((byte) => byte !== 0)) continue;
        const expected = pageChecksumTwin(bytes, firstBlock + page);
        const found = view.getUint16(at + checksumAt, true);
        if (found !== expected) bad.push({ page, expected, found });
      }
      return bad;
    },
  };
}

/** @param inputBytes size of `input` */
export function createPageVerifier(inputBytes: number): PageVerifier {
  const kernel = createKernel(Math.max(inputBytes, 2 * rowBytes));
  if (!answersTheTwin(kernel)) return createTwinVerifier(inputBytes);
  const { wasm, inputAt } = kernel;
  const input = kernel.input.subarray(0, inputBytes);
  return {
    input,
    verify(pages, pageBytes, firstBlock, notFrom) {
      checkPageBytes(pageBytes);
      if (pages * pageBytes > input.length)
        throw new RangeError(`${pages} pages of ${pageBytes} bytes are more than the input holds`);
      const high = Number((notFrom >> 32n) & 0xffffffffn);
      const low = Number(notFrom & 0xffffffffn);
      const bad: BadPage[] = [];
      for (let next = 0; ; next++) {
        const page = wasm.pageScan(inputAt, next, pages, pageBytes, firstBlock, high, low);
        if (page < 0) return bad;
        const at = page * pageBytes;
        const expected = wasm.pageSum(inputAt + at, pageBytes, firstBlock + page) >>> 0;
        bad.push({ page, expected, found: input[at + checksumAt]! | (input[at + checksumAt + 1]! << 8) });
        next = page;
      }
    },
  };
}

let single: Kernel | null | undefined;

/**
 * The checksum of one page as its block; what the page's own field says is of no matter.
 *
 * @param page a whole page: a multiple of 128 bytes
 * @param block number of the page in its relation
 * @returns 1 to 65535
 * @throws RangeError for another length
 */
export function pageChecksum(page: Uint8Array, block: number): number {
  checkPageBytes(page.length);
  if (single === undefined) {
    const kernel = createKernel(pageBytesMax);
    single = answersTheTwin(kernel) ? kernel : null;
  }
  if (single === null) return pageChecksumTwin(page, block);
  single.input.set(page);
  return single.wasm.pageSum(single.inputAt, page.length, block) >>> 0;
}
