import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createNativePoly1305, createWasmPoly1305, type Poly1305, poly1305 } from './poly1305.ts';
import { poly1305Twin } from './twins/poly1305.ts';

const versions: Array<[string, Poly1305]> = [
  ['chosen', poly1305],
  ['wasm', createWasmPoly1305()],
  ['twin', (key, message) => poly1305Twin(key, message)],
];
const native = createNativePoly1305();
if (native !== null) versions.push(['native', native]);

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const zeros = '00'.repeat(16);

/** RFC 8439 section 2.5.2 and the vectors of appendix A.3 that probe the arithmetic's edges: key, message, tag. */
const vectors: Array<[string, string, string]> = [
  [
    '85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b',
    Buffer.from('Cryptographic Forum Research Group', 'latin1').toString('hex'),
    'a8061dc1305136c6c22b8baf0c0127a9',
  ],
  [zeros + zeros, '00'.repeat(64), zeros],
  [`02${'00'.repeat(15)}${zeros}`, 'ff'.repeat(16), `03${'00'.repeat(15)}`],
  [`02${'00'.repeat(15)}${'ff'.repeat(16)}`, `02${'00'.repeat(15)}`, `03${'00'.repeat(15)}`],
  [
    `01${'00'.repeat(15)}${zeros}`,
    `${'ff'.repeat(16)}f0${'ff'.repeat(15)}11${'00'.repeat(15)}`,
    `05${'00'.repeat(15)}`,
  ],
  [`01${'00'.repeat(15)}${zeros}`, `${'ff'.repeat(16)}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, zeros],
  [`02${'00'.repeat(15)}${zeros}`, `fd${'ff'.repeat(15)}`, `fa${'ff'.repeat(15)}`],
  [
    `0100000000000000040000000000000${'0'}${zeros}`,
    `e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001${'00'.repeat(15)}`,
    `14000000000000005500000000000000`,
  ],
  [
    `0100000000000000040000000000000${'0'}${zeros}`,
    `e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000`,
    `13${'00'.repeat(15)}`,
  ],
];

for (const [name, candidate] of versions) {
  test(`Poly1305 (${name}) answers RFC 8439's vectors`, () => {
    for (const [key, message, tag] of vectors) {
      assert.equal(hex(candidate(Buffer.from(key, 'hex'), Buffer.from(message, 'hex'))), tag);
    }
  });
}

test('every version of Poly1305 gives the same tag for any key and length', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 1200 }),
    // Runs of 0xff carry through every limb.
    fc.integer({ min: 0, max: 1200 }).map((length) => new Uint8Array(length).fill(255)),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes, (key, message) => {
      const expected = hex(poly1305Twin(key, message));
      for (const [, candidate] of versions) assert.equal(hex(candidate(key, message)), expected);
    }),
    { numRuns: 300 },
  );
});

test('a message longer than the module memory passes through in pieces', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  for (const length of [65535, 65536, 65537, 131072, 200_003]) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 24);
    const expected = hex(poly1305Twin(key, message));
    for (const [name, candidate] of versions) assert.equal(hex(candidate(key, message)), expected, name);
  }
});

test('the tag is written where the caller wants it, also in shared memory', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(100)).subarray(50, 66);
  const key = new Uint8Array(32).fill(9);
  for (const [name, candidate] of versions) {
    if (name === 'twin') continue;
    shared.fill(0);
    const returned = candidate(key, new Uint8Array(77), shared);
    assert.equal(returned, shared);
    assert.equal(hex(shared), hex(poly1305Twin(key, new Uint8Array(77))));
  }
});

test('a short key or a short place for the tag is refused', () => {
  for (const [name, candidate] of versions) {
    if (name === 'twin') continue;
    assert.throws(() => candidate(new Uint8Array(31), new Uint8Array(1)), RangeError);
    assert.throws(() => candidate(new Uint8Array(32), new Uint8Array(1), new Uint8Array(15)), RangeError);
  }
});
