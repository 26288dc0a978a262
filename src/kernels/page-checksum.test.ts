import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPageVerifier, pageBytesMax, pageChecksum } from './page-checksum.ts';
import { isJudgedTwin, pageChecksumTwin } from './twins/page-checksum.ts';

const pageBytes = fc.constantFrom(1024, 2048, 4096, 8192, 16_384, 32_768);
const block = fc.oneof(fc.nat(200_000), fc.constant(0xffffffff), fc.constant(0x80000000));

test('the kernel gives the checksum of its twin for any page', () => {
  fc.assert(
    fc.property(pageBytes, fc.uint8Array({ minLength: 1, maxLength: 500 }), block, (bytes, seed, number) => {
      const page = Uint8Array.from({ length: bytes }, (_, n) => seed[n % seed.length]! ^ (n >> 8));
      assert.equal(pageChecksum(page, number), pageChecksumTwin(page, number));
    }),
    { numRuns: 60 },
  );
});

test("a page's own checksum does not count, its place and every other byte do", () => {
  const page = Uint8Array.from({ length: 8192 }, (_, n) => Math.imul(n, 40503) >>> 8);
  const sum = pageChecksum(page, 7);
  assert.notEqual(pageChecksum(page, 8), sum);
  for (const at of [0, 7, 8, 9, 10, 127, 128, 4096, 8191]) {
    const changed = Uint8Array.from(page);
    changed[at]! ^= 0x40;
    assert.equal(pageChecksum(changed, 7) === sum, at === 8 || at === 9, `byte ${at}`);
  }
});

test('pages are judged as the twin judges them', () => {
  const kind = fc.constantFrom('right', 'wrong', 'zeros', 'later', 'new but not empty');
  fc.assert(
    fc.property(fc.array(kind, { minLength: 1, maxLength: 40 }), block, (kinds, firstBlock) => {
      const size = 1024;
      const notFrom = (3n << 32n) | 5n;
      const verifier = createPageVerifier(kinds.length * size);
      const expected: number[] = [];
      for (const [n, what] of kinds.entries()) {
        const page = verifier.input.subarray(n * size, (n + 1) * size);
        if (what === 'zeros') continue;
        for (let at = 0; at < size; at++) page[at] = (at * 31 + n) & 255;
        const header = Buffer.from(page.buffer, page.byteOffset, 16);
        header.writeUInt32LE(3, 0);
        header.writeUInt32LE(what === 'later' ? 5 : 4, 4);
        header.writeUInt16LE(what === 'new but not empty' ? 0 : 900, 14);
        header.writeUInt16LE(pageChecksumTwin(page, (firstBlock + n) >>> 0), 8);
        if (what !== 'right') page[500]! ^= 1;
        if (what === 'wrong' || what === 'new but not empty') expected.push(n);
        assert.equal(isJudgedTwin(page, notFrom), what !== 'later');
      }
      const bad = verifier.verify(kinds.length, size, firstBlock, notFrom);
      assert.deepEqual(
        bad.map(({ page }) => page),
        expected,
      );
      for (const { page, expected: sum, found } of bad) {
        const bytes = verifier.input.subarray(page * size, (page + 1) * size);
        assert.equal(sum, pageChecksumTwin(bytes, (firstBlock + page) >>> 0));
        assert.equal(found, bytes[8]! | (bytes[9]! << 8));
      }
    }),
    { numRuns: 60 },
  );
});

test('what cannot be a page is refused', () => {
  for (const bytes of [0, 100, 127, pageBytesMax + 128])
    assert.throws(() => pageChecksum(new Uint8Array(bytes), 0), RangeError);
  assert.throws(() => createPageVerifier(8192).verify(2, 8192, 0, 0n), RangeError);
});
