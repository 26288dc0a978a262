import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { poly1305Twin } from '../kernels/twins/poly1305.ts';
import { createSealer, ivBytes, type MasterKey, sealOverheadBytes, tagBytes } from './crypto.ts';
import { generateMasterKey } from './keys.ts';

const key: MasterKey = {
  encryption: Buffer.from('303e8687b1d7db18421bdc6bb8588ccadac4d59ee87b8ff70c44e635790cafef', 'hex'),
  macK: Buffer.from('ef4d8824cb80b2bcc5fbff8a9b12a42c', 'hex'),
  macR: Buffer.from('cc8d4b948ee0ebfe1d415de921d10353', 'hex'),
};

/** Message, r, k, nonce and tag of D. J. Bernstein, "The Poly1305-AES message-authentication code", appendix B. */
const poly1305Vectors = [
  [
    'f3f6',
    '851fc40c3467ac0be05cc20404f3f700',
    'ec074c835580741701425b623235add6',
    'fb447350c4e868c52ac3275cf9d4327e',
    'f4c633c3044fc145f84f335cb81953de',
  ],
  [
    '',
    'a0f3080000f46400d0c7e9076c834403',
    '75deaa25c09f208e1dc4ce6b5cad3fbf',
    '61ee09218d29b0aaed7e154a2c5509cc',
    'dd3fab2251f11ac759f0887129cc2ee7',
  ],
  [
    '663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136',
    '48443d0bb0d21109c89a100b5ce2c208',
    '6acb5f61a7176dd320c5c1eb2edcdc74',
    'ae212a55399729595dea458bc621ff0e',
    '0ee1c16bb73f0f4fd19881753c01cdbe',
  ],
  [
    'ab0812724a7f1e342742cbed374d94d136c6b8795d45b3819830f2c04491faf0990c62e48b8018b2c3e4a0fa3134cb67fa83e158c994d961c4cb21095c1bf9',
    '12976a08c4426d0ce8a82407c4f48207',
    'e1a5668a4d5b66a5f68cc5424ed5982d',
    '9ae831e743978d3a23527c7128149e3a',
    '5154ad0d2cb26e01274fc51148491f1b',
  ],
] as const;

describe('the envelope', () => {
  for (const [message, r, k, nonce, tag] of poly1305Vectors) {
    test(`accepts the published tag of ${message.length / 2} bytes, and no other`, () => {
      const sealer = createSealer({ ...key, macK: Buffer.from(k, 'hex'), macR: Buffer.from(r, 'hex') });
      const sealed = Buffer.from(nonce + message + tag, 'hex');
      assert.equal(sealer.open(sealed)?.length, message.length / 2);
      sealed[sealed.length - 1]! ^= 1;
      assert.equal(sealer.open(sealed), null);
    });
  }

  test('is IV, AES-256-CTR and Poly1305-AES over the ciphertext, with r as it is stored', () => {
    const plaintext = Buffer.from('what is written down in doc/design.rst');
    const sealed = createSealer(key).seal(plaintext);
    const iv = sealed.subarray(0, ivBytes);
    const ciphertext = sealed.subarray(ivBytes, sealed.length - tagBytes);
    const ctr = createCipheriv('aes-256-ctr', key.encryption, iv);
    assert.deepEqual(ciphertext, Buffer.concat([ctr.update(plaintext), ctr.final()]));
    const ecb = createCipheriv('aes-128-ecb', key.macK, null).setAutoPadding(false);
    const oneTimeKey = Buffer.concat([key.macR, ecb.update(iv)]);
    assert.deepEqual(Buffer.from(poly1305Twin(oneTimeKey, ciphertext)), sealed.subarray(-tagBytes));
  });

  test('gives every plaintext back, also in place and at any offset', () => {
    const sealer = createSealer(generateMasterKey());
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(100), (plaintext, offset) => {
        const sealed = sealer.seal(plaintext);
        assert.equal(sealed.length, plaintext.length + sealOverheadBytes);
        assert.deepEqual(Buffer.from(sealer.open(sealed)!), Buffer.from(plaintext));
        const target = Buffer.alloc(offset + sealed.length + 10, 7);
        assert.equal(sealer.sealInto(target, offset, plaintext), sealed.length);
        assert.ok(target.subarray(0, offset).every((byte) => byte === 7));
        assert.ok(target.subarray(offset + sealed.length).every((byte) => byte === 7));
        const opened = sealer.open(target.subarray(offset, offset + sealed.length), Buffer.alloc(6000));
        assert.deepEqual(Buffer.from(opened!), Buffer.from(plaintext));
      }),
    );
  });

  test('does not open after any change of one bit, when cut, or with another key', () => {
    const sealer = createSealer(key);
    const sealed = sealer.seal(Buffer.from('short'));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(sealer.open(changed), null, `bit ${bit}`);
    }
    for (let length = 0; length < sealed.length; length++)
      assert.equal(sealer.open(sealed.subarray(0, length)), null, `${length} bytes`);
    assert.equal(sealer.open(Buffer.concat([sealed, Buffer.alloc(1)])), null);
    assert.equal(createSealer(generateMasterKey()).open(sealed), null);
  });

  test('never uses an IV twice', () => {
    const sealer = createSealer(key);
    const seen = new Set<string>();
    for (let n = 0; n < 10_000; n++)
      seen.add(sealer.seal(Buffer.alloc(0)).subarray(0, ivBytes).toString('hex'));
    assert.equal(seen.size, 10_000);
  });
});
