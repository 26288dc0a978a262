import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCtr, createEcb } from './aes.ts';
import { createNativeCtr, createNativeEcb } from './aes-native.ts';
import { createNodeCtr, createNodeEcb } from './aes-node.ts';
import type { Ctr, Ecb } from './cipher.ts';
import { createNativeSha256, nodeSha256, type Sha256, sha256 } from './sha256.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string) => Buffer.from(text, 'hex');

const ctrMakers: Array<[string, (key: Uint8Array) => Ctr | null]> = [
  ['chosen', createCtr],
  ['node', createNodeCtr],
  ['native', createNativeCtr],
];
const ecbMakers: Array<[string, (key: Uint8Array) => Ecb | null]> = [
  ['chosen', createEcb],
  ['node', createNodeEcb],
  ['native', createNativeEcb],
];

test('AES-256-CTR answers NIST SP 800-38A F.5.5', () => {
  const key = bytesOf('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4');
  const iv = bytesOf('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
  const plain = bytesOf(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
      '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
  );
  const cipher =
    '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5' +
    '2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6';
  for (const [name, make] of ctrMakers) {
    const ctr = make(key);
    if (ctr === null) continue;
    const out = new Uint8Array(64);
    ctr.crypt(iv, plain, out);
    assert.equal(hex(out), cipher, name);
    ctr.crypt(iv, out, out);
    assert.equal(hex(out), hex(plain), `${name} in place`);
  }
});

test('the counter carries through all 128 bits, as in Go', () => {
  const key = new Uint8Array(32).fill(3);
  const iv = new Uint8Array(16).fill(0xff);
  const plain = new Uint8Array(100);
  const reference = createCipheriv('aes-256-ctr', key, iv).update(plain);
  const after = createCipheriv('aes-256-ctr', key, new Uint8Array(16)).update(plain.subarray(16));
  assert.equal(hex(reference.subarray(16)), hex(after));
  for (const [name, make] of ctrMakers) {
    const ctr = make(key);
    if (ctr === null) continue;
    const out = new Uint8Array(100);
    ctr.crypt(iv, plain, out);
    assert.equal(hex(out), hex(reference), name);
  }
});

test('every version of AES-256-CTR encrypts alike, into parts of shared memory too', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  const versions = ctrMakers.flatMap(([, make]) => make(key) ?? []);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.uint8Array({ maxLength: 500 }),
      fc.integer({ min: 0, max: 20 }),
      (iv, src, offset) => {
        const expected = hex(createCipheriv('aes-256-ctr', key, iv).update(src));
        for (const ctr of versions) {
          const dst = new Uint8Array(new SharedArrayBuffer(600)).subarray(offset);
          dst.fill(1);
          ctr.crypt(iv, src, dst);
          assert.equal(hex(dst.subarray(0, src.length)), expected);
          assert.ok(dst.subarray(src.length).every((byte) => byte === 1));
        }
      },
    ),
  );
});

test('AES-128 of a block answers NIST SP 800-38A F.1.1, again and again', () => {
  const blocks = [
    ['6bc1bee22e409f96e93d7e117393172a', '3ad77bb40d7a3660a89ecaf32466ef97'],
    ['ae2d8a571e03ac9c9eb76fac45af8e51', 'f5d3d58503b9699de785895a96fdbaaf'],
    ['30c81c46a35ce411e5fbc1191a0a52ef', '43b1cd7f598ece23881b00e3ed030688'],
  ] as const;
  for (const [name, make] of ecbMakers) {
    const ecb = make(bytesOf('2b7e151628aed2a6abf7158809cf4f3c'));
    if (ecb === null) continue;
    for (const [plain, cipher] of blocks) {
      assert.equal(hex(ecb.encrypt(bytesOf(plain))), cipher, name);
      const out = new Uint8Array(16);
      assert.equal(ecb.encrypt(bytesOf(plain), out), out);
      assert.equal(hex(out), cipher, name);
    }
  }
});

test('AES refuses lengths that do not fit', () => {
  assert.throws(() => createCtr(new Uint8Array(16)), RangeError);
  assert.throws(() => createEcb(new Uint8Array(32)), RangeError);
  for (const [, make] of ctrMakers) {
    const ctr = make(new Uint8Array(32));
    assert.throws(
      () => ctr?.crypt(new Uint8Array(16), new Uint8Array(20), new Uint8Array(19)) ?? assert.fail(),
      Error,
    );
    assert.throws(
      () => ctr?.crypt(new Uint8Array(15), new Uint8Array(20), new Uint8Array(20)) ?? assert.fail(),
      Error,
    );
  }
  for (const [, make] of ecbMakers) {
    const ecb = make(new Uint8Array(16));
    assert.throws(() => ecb?.encrypt(new Uint8Array(15)) ?? assert.fail(), Error);
    assert.throws(() => ecb?.encrypt(new Uint8Array(16), new Uint8Array(15)) ?? assert.fail(), Error);
  }
});

test('every version of SHA-256 agrees with node:crypto for any length', () => {
  const versions: Sha256[] = [sha256, nodeSha256];
  const native = createNativeSha256();
  if (native !== null) versions.push(native);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
      const expected = createHash('sha256').update(data).digest('hex');
      for (const version of versions) {
        assert.equal(hex(version(data)), expected);
        const out = new Uint8Array(32);
        assert.equal(version(data, out), out);
        assert.equal(hex(out), expected);
      }
    }),
  );
  for (const version of versions)
    assert.throws(() => version(new Uint8Array(1), new Uint8Array(31)), RangeError);
});
