import { createNativeCtr, createNativeEcb } from './aes-native.ts';
import { createNodeCtr, createNodeEcb } from './aes-node.ts';
import { blockBytes, type Ctr, ctrKeyBytes, type Ecb, ecbKeyBytes } from './cipher.ts';
import { selfTested } from './native.ts';

function checkKey(key: Uint8Array, length: number): void {
  if (key.length !== length) throw new RangeError(`AES key has ${key.length} bytes, not ${length}`);
}

/** NIST SP 800-38A F.5.5 and F.1.1 share their first plaintext block and use these keys. */
const block = Buffer.from('6bc1bee22e409f96e93d7e117393172a', 'hex');
const counter = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
const standardCtrKey = Buffer.from('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', 'hex');
const standardEcbKey = Buffer.from('2b7e151628aed2a6abf7158809cf4f3c', 'hex');

let nativeWorks: boolean | undefined;

function nativeAnswersTheStandard(): boolean {
  const ctr = selfTested(
    () => createNativeCtr(standardCtrKey),
    (candidate) => {
      const out = new Uint8Array(blockBytes);
      candidate.crypt(counter, block, out);
      return Buffer.from(out).toString('hex') === '601ec313775789a5b7a7f504bbf3d228';
    },
  );
  const ecb = selfTested(
    () => createNativeEcb(standardEcbKey),
    (candidate) =>
      Buffer.from(candidate.encrypt(block)).toString('hex') === '3ad77bb40d7a3660a89ecaf32466ef97',
  );
  return ctr !== null && ecb !== null;
}

/** @param key 32 bytes, copied */
export function createCtr(key: Uint8Array): Ctr {
  checkKey(key, ctrKeyBytes);
  nativeWorks ??= nativeAnswersTheStandard();
  return (nativeWorks ? createNativeCtr(key) : null) ?? createNodeCtr(key);
}

/** @param key 16 bytes, copied */
export function createEcb(key: Uint8Array): Ecb {
  checkKey(key, ecbKeyBytes);
  nativeWorks ??= nativeAnswersTheStandard();
  return (nativeWorks ? createNativeEcb(key) : null) ?? createNodeEcb(key);
}
