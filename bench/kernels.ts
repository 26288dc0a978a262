/**
 * Speed of each kernel and of each version of it, in MB of input per second of CPU time on one core:
 * `npm run bench -- kernels [NAME…]`. The data are the running Node binary (as a large library) and the
 * project's own dependencies (as small files).
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, globSync, openSync, readFileSync, readSync } from 'node:fs';
import { createNativeCtr } from '../src/kernels/aes-native.ts';
import { createNodeCtr } from '../src/kernels/aes-node.ts';
import { createNativePoly1305, createWasmPoly1305 } from '../src/kernels/poly1305.ts';
import { createChunker } from '../src/kernels/rabin.ts';
import { createNativeSha256, nodeSha256 } from '../src/kernels/sha256.ts';
import { createTwinChunker } from '../src/kernels/twins/rabin.ts';
import { type Compressor, compressedBytesMax, createDecompressor } from '../src/kernels/zstd.ts';
import { createNativeCompressor } from '../src/kernels/zstd-native.ts';
import { createNodeCompressor } from '../src/kernels/zstd-node.ts';
import { type CompressionMode, zstdParameters } from '../src/kernels/zstd-parameters.ts';

const megabyte = 1_000_000;
const mebibyte = 1024 * 1024;
const rounds = 5;
const roundSeconds = 0.06;

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The best of some rounds: on a shared machine the others measure the neighbours. */
function report(name: string, what: string, bytes: number, work: () => void, note = ''): void {
  const once = Math.max(cpuSeconds(work), 1e-4);
  const times = Math.max(1, Math.ceil(roundSeconds / once));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const seconds = cpuSeconds(() => {
      for (let i = 0; i < times; i++) work();
    });
    best = Math.min(best, seconds / times);
  }
  const speed = (bytes / megabyte / best).toFixed(0).padStart(7);
  console.log(`${name.padEnd(20)} ${what.padEnd(14)} ${speed} MB/s ${note}`);
}

const sizes: ReadonlyArray<readonly [string, number]> = [
  ['100 B', 100],
  ['14 kB', 14_000],
  ['1 MiB', mebibyte],
  ['8 MiB', 8 * mebibyte],
];

function perSize(name: string, make: () => ((data: Uint8Array) => void) | null): void {
  const kernel = make();
  if (kernel === null) return;
  const data = randomFillSync(new Uint8Array(8 * mebibyte));
  for (const [label, length] of sizes) {
    const piece = data.subarray(0, length);
    const repeats = Math.ceil(mebibyte / length);
    report(name, label, repeats * length, () => {
      for (let i = 0; i < repeats; i++) kernel(piece);
    });
  }
}

function libraryPieces(): Uint8Array[] {
  const length = 1.5 * megabyte;
  const fd = openSync(process.execPath, 'r');
  const pieces = Array.from({ length: 24 }, (_, i) => {
    const piece = Buffer.allocUnsafe(length);
    return piece.subarray(0, readSync(fd, piece, 0, length, i * 2 * length));
  });
  closeSync(fd);
  return pieces.filter((piece) => piece.length > 0);
}

function smallFiles(): Uint8Array[] {
  const root = new URL('..', import.meta.url).pathname;
  return globSync(`${root}node_modules/{@types,fast-check,assemblyscript}/**/*.{ts,js,json,md}`)
    .map((path) => readFileSync(path))
    .filter(({ length }) => length > 200 && length < 100_000);
}

function compression(name: string, compressor: Compressor | null): void {
  if (compressor === null) return;
  for (const [label, pieces] of [
    ['library', libraryPieces()],
    ['small files', smallFiles()],
  ] as const) {
    const target = new Uint8Array(compressedBytesMax(Math.max(...pieces.map(({ length }) => length))));
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    let packed = 0;
    report(name, label, total, () => {
      packed = 0;
      for (const piece of pieces) packed += compressor.compress(piece, target, 0);
    });
    console.log(`${''.padEnd(36)}ratio ${(total / packed).toFixed(3)}, ${pieces.length} blobs`);
  }
  compressor.close();
}

const key = new Uint8Array(32).fill(7);
const iv = new Uint8Array(16);
const target = new Uint8Array(8 * mebibyte);
const digest = new Uint8Array(32);

const benchmarks: Readonly<Record<string, () => void>> = {
  poly1305() {
    const native = createNativePoly1305();
    perSize('poly1305 native', () => native && ((data) => native(key, data, digest)));
    const wasm = createWasmPoly1305();
    perSize('poly1305 wasm', () => (data) => wasm(key, data, digest));
  },
  sha256() {
    const native = createNativeSha256();
    perSize('sha256 native', () => native && ((data) => native(data, digest)));
    perSize('sha256 node', () => (data) => nodeSha256(data, digest));
  },
  aes() {
    const native = createNativeCtr(key);
    perSize('aes-256-ctr native', () => native && ((data) => native.crypt(iv, data, target)));
    const node = createNodeCtr(key);
    perSize('aes-256-ctr node', () => (data) => node.crypt(iv, data, target));
  },
  chunker() {
    const polynomial = 0x3da3358b4dc173n;
    const chunker = createChunker(polynomial);
    const { input } = chunker;
    input.set(Buffer.concat(libraryPieces()).subarray(0, input.length));
    report('chunker wasm', 'library', input.length, () => {
      for (let at = 0; at < input.length; at = chunker.nextCut(at, input.length));
    });
    const twin = createTwinChunker(polynomial);
    report('chunker twin', 'library', input.length, () => twin.push(input));
  },
  zstd() {
    for (const mode of Object.keys(zstdParameters) as CompressionMode[]) {
      compression(`zstd ${mode} native`, createNativeCompressor(zstdParameters[mode]));
    }
    compression('zstd auto node', createNodeCompressor(zstdParameters.auto));
    const decompressor = createDecompressor();
    const compressor = createNodeCompressor(zstdParameters.auto);
    const pieces = libraryPieces();
    const frames = pieces.map((piece) => {
      const frame = new Uint8Array(compressedBytesMax(piece.length));
      return frame.subarray(0, compressor.compress(piece, frame, 0));
    });
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    report('zstd decompress', 'library', total, () => {
      for (const frame of frames) decompressor.decompress(frame, target);
    });
  },
};

const wanted = process.argv.slice(2).filter((argument) => argument !== 'kernels');
for (const [name, run] of Object.entries(benchmarks)) {
  if (wanted.length === 0 || wanted.includes(name)) run();
}
