import { instantiateKernels } from './load.ts';
import { bindNative, nativeMemory, selfTested } from './native.ts';

/**
 * Poly1305 (RFC 8439 section 2.5). The key is r and s, 16 bytes each; r may be stored unclamped, as restic
 * stores it, because clamping is part of the algorithm.
 *
 * @param out receives the 16 bytes of the tag; a new array when left out
 * @returns the tag: `out` or the new array
 */
export type Poly1305 = (key: Uint8Array, message: Uint8Array, out?: Uint8Array) => Uint8Array;

export const poly1305KeyBytes = 32;
export const poly1305TagBytes = 16;

function checkLengths(key: Uint8Array, out: Uint8Array): void {
  if (key.length !== poly1305KeyBytes) throw new RangeError(`Poly1305 key has ${key.length} bytes, not 32`);
  if (out.length < poly1305TagBytes) throw new RangeError(`Poly1305 tag needs 16 bytes, not ${out.length}`);
}

/** OpenSSL's Poly1305, as the Node binary carries it. */
export function createNativePoly1305(): Poly1305 | null {
  const openssl = bindNative({
    Poly1305_ctx_size: { arguments: [], return: 'uint64' },
    Poly1305_Init: { arguments: ['pointer', 'pointer'], return: 'void' },
    Poly1305_Update: { arguments: ['pointer', 'buffer', 'uint64'], return: 'void' },
    Poly1305_Final: { arguments: ['pointer', 'pointer'], return: 'void' },
  });
  if (openssl === null) return null;
  const context = nativeMemory(Number(openssl.Poly1305_ctx_size()));
  const keyCopy = nativeMemory(poly1305KeyBytes);
  const tag = nativeMemory(poly1305TagBytes);
  if (context === null || keyCopy === null || tag === null) return null;
  return (key, message, out = new Uint8Array(poly1305TagBytes)) => {
    checkLengths(key, out);
    keyCopy.bytes.set(key);
    openssl.Poly1305_Init(context.pointer, keyCopy.pointer);
    if (message.length > 0) openssl.Poly1305_Update(context.pointer, message, BigInt(message.length));
    openssl.Poly1305_Final(context.pointer, tag.pointer);
    out.set(tag.bytes);
    return out;
  };
}

const wasmInputBytes = 64 * 1024;

/** assembly/poly1305.ts; the message passes through the module's memory in pieces. */
export function createWasmPoly1305(): Poly1305 {
  const wasm = instantiateKernels();
  const memory = new Uint8Array(wasm.memory.buffer);
  const keyAt = wasm.polyKey();
  const inputAt = wasm.polyInput();
  const tagAt = wasm.polyTag();
  return (key, message, out = new Uint8Array(poly1305TagBytes)) => {
    checkLengths(key, out);
    memory.set(key, keyAt);
    wasm.polyInit();
    let at = 0;
    while (message.length - at > wasmInputBytes) {
      memory.set(message.subarray(at, at + wasmInputBytes), inputAt);
      wasm.polyUpdate(wasmInputBytes);
      at += wasmInputBytes;
    }
    memory.set(at === 0 ? message : message.subarray(at), inputAt);
    wasm.polyFinal(message.length - at);
    for (let i = 0; i < poly1305TagBytes; i++) out[i] = memory[tagAt + i] ?? 0;
    return out;
  };
}

/** RFC 8439 section 2.5.2. */
function answersTheStandard(candidate: Poly1305): boolean {
  const key = Buffer.from('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b', 'hex');
  const message = Buffer.from('Cryptographic Forum Research Group', 'latin1');
  return Buffer.from(candidate(key, message)).toString('hex') === 'a8061dc1305136c6c22b8baf0c0127a9';
}

/** Below this many bytes the three calls into OpenSSL cost more than the whole of the WASM version. */
const nativeBytesMin = 768;

let short: Poly1305 | undefined;
let long: Poly1305 | undefined;

/** Poly1305 by the fastest version that works here. */
export const poly1305: Poly1305 = (key, message, out) => {
  if (message.length < nativeBytesMin) {
    short ??= createWasmPoly1305();
    return short(key, message, out);
  }
  long ??= selfTested(createNativePoly1305, answersTheStandard) ?? createWasmPoly1305();
  return long(key, message, out);
};
