import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { hasCode } from '../../core/errors.ts';
import { checksum } from '../../kernels/checksum.ts';
import { createDecompressor } from '../../kernels/zstd.ts';
import { createSealer, type Sealer } from '../crypto.ts';
import { generateMasterKey } from '../keys.ts';
import { createBlobEncoder } from './blob-encoder.ts';
import type { Packer } from './packer.ts';
import type { Compression } from './protocol.ts';

const sealer = createSealer(generateMasterKey());
const idOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

interface Committed {
  readonly sealed: Buffer;
  readonly uncompressedLength: number;
}

/** An encoder that packs into memory; what it committed is at hand. */
function sampleEncoder(compression: Compression = 'auto', version: 1 | 2 = 2, by: Sealer = sealer) {
  const committed: Committed[] = [];
  const packer: Packer = {
    place(_, sealedBytesMax) {
      const target = Buffer.alloc(7 + sealedBytesMax);
      return {
        target,
        offset: 7,
        commit(_id, _entry, sealedBytes, uncompressedLength) {
          committed.push({ sealed: target.subarray(7, 7 + sealedBytes), uncompressedLength });
        },
      };
    },
    flush() {},
  };
  return { encoder: createBlobEncoder(by, packer, version, compression), committed };
}

function decode({ sealed, uncompressedLength }: Committed): Buffer {
  const payload = sealer.open(sealed);
  assert.ok(payload);
  if (uncompressedLength === 0) return Buffer.from(payload);
  const target = Buffer.alloc(uncompressedLength);
  return target.subarray(0, createDecompressor().decompress(payload, target));
}

const samples: readonly Buffer[] = [
  Buffer.from('a'),
  Buffer.from('{"nodes":[]}\n'),
  Buffer.from('all work and no play '.repeat(50_000)),
  Buffer.alloc(512 * 1024),
  randomBytes(300_000),
  Buffer.concat([randomBytes(200_000), Buffer.alloc(200_000)]),
];

for (const compression of ['off', 'fastest', 'auto', 'better', 'max'] as const)
  test(`what is stored with compression ${compression} comes back`, () => {
    for (const version of [1, 2] as const) {
      const { encoder, committed } = sampleEncoder(compression, version);
      for (const bytes of samples)
        for (const type of ['data', 'tree'] as const)
          for (const sum of [checksum(bytes), null]) {
            const stored = encoder.store(type, idOf(bytes), 1, bytes, sum);
            const last = committed.at(-1)!;
            assert.ok(decode(last).equals(bytes));
            assert.equal(stored, last.sealed.length + (last.uncompressedLength ? 41 : 37));
            if (version === 1) assert.equal(last.uncompressedLength, 0);
            if (version === 2 && type === 'tree') assert.equal(last.uncompressedLength, bytes.length);
          }
    }
  });

describe('nothing is committed', () => {
  const bytes = samples[2]!;

  function assertRefused(by: Sealer, sum: bigint | null, id = idOf(bytes)): void {
    for (const compression of ['auto', 'off'] as const) {
      const { encoder, committed } = sampleEncoder(compression, 2, by);
      assert.throws(
        () => encoder.store('data', id, 1, bytes, sum),
        (error) => hasCode(error, 'internal') && /nothing was stored/.test(error.message),
      );
      assert.equal(committed.length, 0);
    }
  }

  test('where a bit flips after encryption', () => {
    for (const share of [0, 0.2, 0.5, 0.9, 0.999]) {
      const faulty: Sealer = {
        ...sealer,
        sealInto(target, offset, plaintext) {
          const written = sealer.sealInto(target, offset, plaintext);
          target[offset + Math.floor(written * share)]! ^= 16;
          return written;
        },
      };
      assertRefused(faulty, checksum(bytes));
      assertRefused(faulty, null);
    }
  });

  test('where a bit flips between compression and encryption', () => {
    for (const share of [0.1, 0.5, 0.9]) {
      const faulty: Sealer = {
        ...sealer,
        sealInto(target, offset, plaintext) {
          const wrong = Buffer.from(plaintext);
          wrong[Math.floor(wrong.length * share)]! ^= 8;
          return sealer.sealInto(target, offset, wrong);
        },
      };
      assertRefused(faulty, checksum(bytes));
      assertRefused(faulty, null);
    }
  });

  test('where the bytes are others than when their checksum or ID was taken', () => {
    const other = Buffer.from(bytes);
    other[5]! ^= 1;
    assertRefused(sealer, checksum(other));
    assertRefused(sealer, null, idOf(other));
  });

  test('of a frame that is not what was encrypted', () => {
    const faulty: Sealer = {
      ...sealer,
      sealInto: (target, offset, plaintext) =>
        sealer.sealInto(target, offset, Buffer.alloc(plaintext.length)),
    };
    const { encoder, committed } = sampleEncoder('auto', 2, faulty);
    assert.throws(() => encoder.sealPayload('data', idOf(bytes), 1, bytes, 9), /nothing was stored/);
    assert.equal(committed.length, 0);
  });
});
