import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import { createSealer, sealOverheadBytes } from './crypto.ts';
import { generateMasterKey } from './keys.ts';
import {
  compressedEntryBytes,
  headerFileBytes,
  headerSpan,
  type PackedBlob,
  parseHeader,
  plainEntryBytes,
  readHeader,
  writeHeaderEntry,
} from './pack.ts';

const sealer = createSealer(generateMasterKey());
const damaged = (error: unknown): boolean => hasCode(error, 'repository-damaged');

const blobs = fc.array(
  fc.record({
    type: fc.constantFrom('data' as const, 'tree' as const),
    id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    length: fc.integer({ min: sealOverheadBytes, max: 0xffffffff }),
    uncompressedLength: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffffffff })),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Written {
  readonly header: Buffer;
  readonly expected: PackedBlob[];
  readonly blobBytes: number;
}

function write(entries: ReturnType<typeof blobs.generate>['value']): Written {
  const header = Buffer.alloc(entries.length * compressedEntryBytes);
  const expected: PackedBlob[] = [];
  let at = 0;
  let offset = 0;
  for (const { type, id, length, uncompressedLength } of entries) {
    at += writeHeaderEntry(header, at, type, id, length, uncompressedLength);
    expected.push({ type, id: Buffer.from(id).toString('hex') as Id, offset, length, uncompressedLength });
    offset += length;
  }
  return { header: header.subarray(0, at), expected, blobBytes: offset };
}

describe('a pack header', () => {
  test('has the bytes that doc/design.rst lays down', () => {
    const id = Buffer.alloc(32, 0xab);
    const target = Buffer.alloc(compressedEntryBytes);
    const hexOf = (length: number): string => target.subarray(0, length).toString('hex');
    assert.equal(writeHeaderEntry(target, 0, 'data', id, 0x01020304, 0), plainEntryBytes);
    assert.equal(hexOf(37), `0004030201${'ab'.repeat(32)}`);
    assert.equal(writeHeaderEntry(target, 0, 'tree', id, 5, 0), plainEntryBytes);
    assert.equal(hexOf(37), `0105000000${'ab'.repeat(32)}`);
    assert.equal(writeHeaderEntry(target, 0, 'data', id, 5, 0xfffffffe), compressedEntryBytes);
    assert.equal(hexOf(41), `0205000000feffffff${'ab'.repeat(32)}`);
    assert.equal(writeHeaderEntry(target, 0, 'tree', id, 5, 6), compressedEntryBytes);
    assert.equal(hexOf(41), `030500000006000000${'ab'.repeat(32)}`);
  });

  test('gives back what was written, whatever the blobs', () => {
    fc.assert(
      fc.property(blobs, (entries) => {
        const { header, expected, blobBytes } = write(entries);
        assert.deepEqual(parseHeader(header, blobBytes, 'p'), expected);
      }),
    );
  });

  test('of any bytes is parsed or called damaged, and then fills the pack exactly', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(2 ** 34), (bytes, blobBytes) => {
        try {
          const parsed = parseHeader(bytes, blobBytes, 'p');
          assert.equal(
            parsed.reduce((sum, { length }) => sum + length, 0),
            blobBytes,
          );
        } catch (error) {
          assert.ok(damaged(error), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is damaged when cut, when an entry has another type or length, or when the pack has another size', () => {
    fc.assert(
      fc.property(blobs, fc.nat(), fc.integer({ min: 4, max: 255 }), (entries, where, kind) => {
        const { header, blobBytes } = write(entries);
        assert.throws(() => parseHeader(header.subarray(0, header.length - 1), blobBytes, 'p'), damaged);
        assert.throws(() => parseHeader(header, blobBytes + 1, 'p'), damaged);
        assert.throws(() => parseHeader(header, blobBytes - 1, 'p'), damaged);
        const other = Buffer.from(header);
        other[0] = kind;
        assert.throws(() => parseHeader(other, blobBytes, 'p'), damaged);
        const short = Buffer.from(header);
        short.writeUInt32LE(where % sealOverheadBytes, 1);
        assert.throws(() => parseHeader(short, blobBytes, 'p'), damaged);
      }),
      { numRuns: 50 },
    );
  });

  test('is found at the end of its pack by one or two reads, however many entries it has', async () => {
    for (const count of [1, 14, 15, 16, 1000]) {
      const entries = Array.from({ length: count }, (_, n) => ({
        type: 'data' as const,
        id: randomBytes(32),
        length: 40 + (n % 3),
        uncompressedLength: n % 2,
      }));
      const { header, expected, blobBytes } = write(entries);
      const sealed = sealer.seal(header);
      const pack = Buffer.concat([Buffer.alloc(blobBytes), sealed, Buffer.alloc(4)]);
      pack.writeUInt32LE(sealed.length, pack.length - 4);
      assert.equal(pack.length, blobBytes + headerFileBytes(header.length));
      let reads = 0;
      const read = async (offset: number, length: number): Promise<Buffer> => {
        reads++;
        return pack.subarray(offset, offset + length);
      };
      assert.deepEqual(await readHeader(sealer, 'p', pack.length, read), expected);
      assert.equal(reads, count <= 14 ? 1 : reads);
      assert.ok(reads <= 2);

      await assert.rejects(readHeader(sealer, 'p', pack.length + 1, read), damaged);
      await assert.rejects(readHeader(sealer, 'p', pack.length - 1, read), damaged);
      pack[blobBytes + 20]! ^= 1;
      await assert.rejects(readHeader(sealer, 'p', pack.length, read), damaged);
    }
  });

  test('with an impossible length is damaged before anything is read or reserved', () => {
    const lengthField = Buffer.alloc(4);
    for (const [packBytes, length] of [
      [0, 100],
      [72, 100],
      [1000, 0],
      [1000, 68],
      [1000, 997],
      [1000, 0xffffffff],
      [2 ** 32, 16 * 1024 * 1024 + 1],
    ] as const) {
      lengthField.writeUInt32LE(length);
      assert.throws(() => headerSpan(packBytes, lengthField, 'p'), damaged, `${length} in ${packBytes}`);
    }
    lengthField.writeUInt32LE(69);
    assert.deepEqual(headerSpan(1000, lengthField, 'p'), { start: 927, length: 69 });
  });
});
