import { readFileSync } from 'node:fs';

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

// The type definitions of Node leave out what only browsers' definitions have.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
};

/** What assembly/index.ts exports. Addresses and lengths are bytes in `memory`. */
export interface KernelExports {
  readonly memory: WasmMemory;
  /** First address behind the module's own data. */
  heapBase(): number;
  polyKey(): number;
  polyInput(): number;
  polyTag(): number;
  polyInit(): void;
  polyUpdate(length: number): void;
  polyFinal(length: number): void;
  rabinTables(): number;
  rabinScan(from: number, to: number): number;
  rabinAverage(bits: number): void;
  pageSum(page: number, pageBytes: number, block: number): number;
  pageScan(
    input: number,
    page: number,
    pages: number,
    pageBytes: number,
    firstBlock: number,
    notFromHigh: number,
    notFromLow: number,
  ): number;
}

declare const LIFEBOAT_BUNDLED: boolean | undefined;

let compiled: WasmModule | undefined;

/** The kernels' module, compiled on first use in this thread. */
function kernelModule(): WasmModule {
  if (compiled === undefined) {
    // In the bundle this file's code lies in dist/ beside the module; in the source tree two rooms up.
    const path = typeof LIFEBOAT_BUNDLED === 'undefined' ? '../../dist/kernels.wasm' : './kernels.wasm';
    compiled = new WebAssembly.Module(readFileSync(new URL(path, import.meta.url)));
  }
  return compiled;
}

/** A fresh instance with a memory of its own, so that one kernel growing its memory detaches no other's views. */
export function instantiateKernels(): KernelExports {
  const instance = new WebAssembly.Instance(kernelModule(), {});
  return instance.exports as unknown as KernelExports;
}
