import { hash } from 'node:crypto';
import { bindNative, selfTested } from './native.ts';

export const sha256Bytes = 32;

/** @param out receives the digest, 32 bytes; a new array when left out. Returns `out` or the new array */
export type Sha256 = (data: Uint8Array, out?: Uint8Array) => Uint8Array;

function checkLength(out: Uint8Array): void {
  // The native version writes by address: a short array would be memory corruption.
  if (out.length < sha256Bytes) throw new RangeError(`SHA-256 digest needs 32 bytes, not ${out.length}`);
}

/** OpenSSL's one-call SHA256 of the Node binary: no digest object for each call. */
export function createNativeSha256(): Sha256 | null {
  const openssl = bindNative({ SHA256: { arguments: ['buffer', 'uint64', 'buffer'], return: 'void' } });
  if (openssl === null) return null;
  return (data, out = new Uint8Array(sha256Bytes)) => {
    checkLength(out);
    openssl.SHA256(data, BigInt(data.length), out);
    return out;
  };
}

export const nodeSha256: Sha256 = (data, out) => {
  if (out !== undefined) checkLength(out);
  const digest = hash('sha256', data, 'buffer');
  if (out === undefined) return digest;
  out.set(digest);
  return out;
};

/** FIPS 180-4's example "abc". */
function answersTheStandard(candidate: Sha256): boolean {
  const digest = Buffer.from(candidate(Buffer.from('abc', 'latin1'))).toString('hex');
  return digest === 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
}

let chosen: Sha256 | undefined;

/** SHA-256 (FIPS 180-4) by the fastest version that works here. */
export const sha256: Sha256 = (data, out) => {
  chosen ??= selfTested(createNativeSha256, answersTheStandard) ?? nodeSha256;
  return chosen(data, out);
};
