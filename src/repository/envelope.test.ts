import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { hasCode } from '../core/errors.ts';
import { frameHasChecksum } from '../kernels/zstd-frame.ts';
import { localStorage } from '../storage/local/local.ts';
import { newConfig } from './config.ts';
import { createSealer } from './crypto.ts';
import { journalEnvelope } from './envelope.ts';
import { createEnvelopeCodec } from './envelope-codec.ts';
import { generateMasterKey } from './keys.ts';
import type { Repository } from './repository.ts';

const master = generateMasterKey();
const sealer = createSealer(master);
/** As much of a repository as sealing needs. */
const storage = localStorage('/nonexistent');
const repository = { master, sealer, config: newConfig(2), storage } as Repository;
const text = Buffer.alloc(3_000_000, 'a line of the log\n');

describe('the envelope of journals', () => {
  const threaded = journalEnvelope(repository, { threads: 2 });
  const here = journalEnvelope(repository, { threads: 0 });
  after(() => threaded.close());

  test('is the same from threads and without', async () => {
    for (const content of [Buffer.alloc(0), Buffer.from('x'), text, text.subarray(0, 300_000)])
      for (const sealing of [threaded, here])
        for (const opening of [threaded, here]) {
          const stored = await sealing.seal([content.subarray(0, 5), content.subarray(5)]);
          assert.ok(Buffer.from(await opening.open(stored, 'it')).equals(content));
        }
  });

  test('seals many at once, each into its own', async () => {
    const contents = Array.from({ length: 12 }, (_, number) => Buffer.alloc(400_000 + number, `${number} `));
    const stored = await Promise.all(contents.map((content) => threaded.seal([content])));
    const opened = await Promise.all(stored.map((bytes) => threaded.open(bytes, 'it')));
    for (const [number, bytes] of opened.entries()) assert.ok(Buffer.from(bytes).equals(contents[number]!));
  });

  test('opens nothing that was changed or that another key sealed, and names it', async () => {
    const noise = Buffer.from(Array.from({ length: 400_000 }, (_, at) => (at * at * 7919) >>> 7));
    const other = createEnvelopeCodec(createSealer(generateMasterKey()));
    for (const content of [Buffer.from('short'), noise])
      for (const envelope of [threaded, here]) {
        const stored = Buffer.from(await envelope.seal([content]));
        stored[stored.length >> 1]! ^= 1;
        for (const bytes of [stored, stored.subarray(0, 20), other.seal(content), sealer.seal(content)])
          await assert.rejects(
            envelope.open(bytes, 'the piece'),
            (error) => hasCode(error, 'journal-damaged') && error.message.startsWith('the piece'),
          );
      }
  });

  test('gives nothing out that does not open to what was sealed', () => {
    const tampered = (change: (document: Buffer) => void) =>
      createEnvelopeCodec({
        ...sealer,
        sealInto(target, offset, plain) {
          const document = Buffer.from(plain);
          change(document);
          return sealer.sealInto(target, offset, document);
        },
      });
    const withBitFlipped = tampered((document) => {
      document[document.length >> 1]! ^= 1;
    });
    const ofOtherContent = tampered((document) => {
      document[document.length - 1]! ^= 1; // the frame's checksum
    });
    const withoutChecksum = tampered((document) => {
      document[5]! &= ~4;
    });
    const unopened = createEnvelopeCodec({ ...sealer, open: () => null });
    for (const faulty of [withBitFlipped, ofOtherContent, withoutChecksum, unopened])
      for (const content of [Buffer.from('x'), text])
        assert.throws(
          () => faulty.seal(content),
          (error) => hasCode(error, 'internal') && error.message.includes('nothing was stored'),
        );
  });

  test('lends the memory of what it sealed where it may', () => {
    const codec = createEnvelopeCodec(sealer, { reuseSealed: true });
    const first = codec.seal(text);
    assert.ok(Buffer.from(codec.open(first, 'it')).equals(text));
    const second = codec.seal(text.subarray(7));
    assert.equal(first.buffer, second.buffer);
    assert.ok(Buffer.from(codec.open(second, 'it')).equals(text.subarray(7)));
  });

  test('has zstd check the content, without Lifeboat too', () => {
    const document = sealer.open(createEnvelopeCodec(sealer).seal(text))!;
    assert.ok(frameHasChecksum(document.subarray(1)));
    document[document.length - 1]! ^= 1;
    assert.throws(() => zstdDecompressSync(document.subarray(1)), /checksum/i);
  });
});
