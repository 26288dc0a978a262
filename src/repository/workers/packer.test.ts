import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createSealer } from '../crypto.ts';
import type { BlobType } from '../index/table.ts';
import { generateMasterKey } from '../keys.ts';
import { openHeader, packEntriesMax } from '../pack.ts';
import { createPacker, freeBuffer } from './packer.ts';
import type { FinishedPack } from './protocol.ts';

const sealer = createSealer(generateMasterKey());

/** A packer whose packs are stored at once, unless they are to be kept under way. */
function samplePacker(packBytes: number, frees = true) {
  const packs: FinishedPack[] = [];
  const copies: Buffer[] = [];
  const packer = createPacker(sealer, packBytes, (pack) => {
    packs.push(pack);
    copies.push(Buffer.from(Buffer.from(pack.memory, 0, pack.length)));
    if (frees) freeBuffer(pack);
  });
  let entries = 0;
  const put = (type: BlobType, blob: Uint8Array, roomBytes = blob.length): void => {
    const place = packer.place(type, roomBytes);
    place.target.set(blob, place.offset);
    const id = createHash('sha256').update(blob).digest();
    place.commit(id, entries++, blob.length, 0);
  };
  return { packer, packs, copies, put };
}

/** What a pack holds, from its bytes alone. */
function blobsOf(pack: FinishedPack, bytes: Buffer): Buffer[] {
  assert.equal(createHash('sha256').update(bytes).digest('hex'), pack.id);
  const headerBytes = bytes.readUInt32LE(bytes.length - 4);
  const start = bytes.length - 4 - headerBytes;
  const blobs = openHeader(sealer, bytes.subarray(start, -4), start, pack.id);
  assert.equal(blobs.length, pack.entries.length);
  return blobs.map(({ id, offset, length }) => {
    const blob = bytes.subarray(offset, offset + length);
    assert.equal(createHash('sha256').update(blob).digest('hex'), id);
    return blob;
  });
}

test('every blob is in one pack, whatever their sizes and order', () => {
  const oneBlob = fc.record({
    type: fc.constantFrom<BlobType>('data', 'tree'),
    bytes: fc.oneof(fc.integer({ min: 33, max: 300 }), fc.integer({ min: 33, max: 60_000 })),
  });
  fc.assert(
    fc.property(fc.array(oneBlob, { maxLength: 60 }), (list) => {
      const { packer, packs, copies, put } = samplePacker(64 * 1024);
      const blobs = list.map(({ bytes }) => randomBytes(bytes));
      for (const [n, { type }] of list.entries()) put(type, blobs[n]!, blobs[n]!.length + 100);
      packer.flush();
      const found = packs.flatMap((pack, n) => blobsOf(pack, copies[n]!));
      const sorted = (of: readonly Buffer[]): string[] => of.map((blob) => blob.toString('hex')).sort();
      assert.deepEqual(sorted(found), sorted(blobs));
      assert.deepEqual(
        packs.flatMap(({ entries }) => [...entries]).sort((a, b) => a - b),
        list.map((_, n) => n),
      );
      for (const { entries } of packs) {
        const types = new Set([...entries].map((entry) => list[entry]!.type));
        assert.equal(types.size, 1, 'data and trees do not share a pack');
      }
    }),
    { numRuns: 40 },
  );
});

test('blobs are spread over two packs at random', () => {
  const { packer, packs, put } = samplePacker(64 * 1024);
  for (let n = 0; n < 300; n++) put('data', randomBytes(1000));
  packer.flush();
  const isRun = ({ entries }: FinishedPack): boolean =>
    entries.every((entry, n) => n === 0 || entry === entries[n - 1]! + 1);
  assert.ok(packs.length >= 4);
  assert.ok(!packs.slice(0, -1).some(isRun), 'no full pack holds blobs that came one after the other');
});

describe('flushing', () => {
  test('merges two small packs into one', () => {
    const { packer, packs, copies, put } = samplePacker(64 * 1024);
    for (let n = 0; n < 40; n++) put('data', randomBytes(500));
    packer.flush();
    assert.equal(packs.length, 1);
    assert.equal(blobsOf(packs[0]!, copies[0]!).length, 40);
  });

  test('sends nothing where nothing is open', () => {
    const { packer, packs } = samplePacker(64 * 1024);
    packer.flush();
    packer.flush();
    assert.equal(packs.length, 0);
  });

  test('keeps packs of too many blobs for one header apart', () => {
    const { packer, packs, copies } = samplePacker(128 * 2 ** 20);
    const id = randomBytes(32);
    const many = packEntriesMax + 1000;
    for (let n = 0; n < many; n++) packer.place('tree', 33).commit(id, n, 33, 1);
    packer.flush();
    assert.equal(packs.length, 2);
    for (const bytes of copies) assert.ok(bytes.readUInt32LE(bytes.length - 4) <= 16 * 2 ** 20);
    assert.equal(packs[0]!.entries.length + packs[1]!.entries.length, many);
  });
});

test('a blob larger than a pack gets one of its own', () => {
  const { packer, packs, copies, put } = samplePacker(64 * 1024);
  put('tree', randomBytes(100));
  const large = randomBytes(9_000_000);
  put('tree', large);
  assert.equal(packs.length, 1);
  assert.ok(blobsOf(packs[0]!, copies[0]!)[0]!.equals(large));
  put('tree', randomBytes(100));
  packer.flush();
  assert.deepEqual(
    packs.map(({ entries }) => entries.length),
    [1, 2],
  );
});

test('memory is taken again once its pack is stored', () => {
  const { packer, packs, put } = samplePacker(64 * 1024);
  for (let n = 0; n < 400; n++) put(n % 2 ? 'data' : 'tree', randomBytes(5000));
  packer.flush();
  assert.ok(packs.length > 20);
  assert.ok(new Set(packs.map(({ memory }) => memory)).size <= 6);
});
