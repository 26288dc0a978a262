import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { randomOf } from '../../../test/random.ts';
import { pageChecksum } from '../../kernels/page-checksum.ts';
import { createTableMemory, openTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import { factsPerDamagedPage, outcomeFactsPerPiece, type PageBatchOutcome } from './protocol.ts';
import { createPageReader } from './read-pages.ts';

const folder = mkdtempSync(join(tmpdir(), 'read-pages-'));
after(() => rmSync(folder, { recursive: true }));

function sampleReader(onChunk: (n: number) => void = () => {}, pause: () => void = () => {}) {
  let chunks = 0;
  let hashed = 0;
  const blobs = new Map<string, Buffer>();
  const encoder = {
    store(_type, id, _entry, bytes) {
      blobs.set(Buffer.from(id).toString('hex'), Buffer.from(bytes));
      hashed++;
      return bytes.length + 69;
    },
  } as Partial<BlobEncoder> as BlobEncoder;
  const control = new Int32Array(new SharedArrayBuffer(4));
  const read = createPageReader(
    openTable(createTableMemory()),
    encoder,
    control,
    () => onChunk(chunks++),
    pause,
  );
  return { read, blobs, control, stored: () => hashed };
}

interface Piece {
  readonly offset?: number;
  readonly bytes: number;
  readonly chunkBytes?: number;
  readonly pageBytes?: number;
  readonly firstBlock?: number;
  readonly notFrom?: bigint;
}

function factsOf(...pieces: Piece[]): Float64Array {
  return Float64Array.from(
    pieces.flatMap(
      ({ offset = 0, bytes, chunkBytes = 16_384, pageBytes = 0, firstBlock = 0, notFrom = 1n << 63n }) => [
        offset,
        bytes,
        chunkBytes,
        pageBytes,
        firstBlock,
        Number(notFrom >> 32n),
        Number(notFrom & 0xffffffffn),
      ],
    ),
  );
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function contents({ ids, facts }: PageBatchOutcome, blobs: Map<string, Buffer>): Buffer[] {
  let at = 0;
  return Array.from({ length: facts.length / outcomeFactsPerPiece }, (_, piece) => {
    const parts: Buffer[] = [];
    for (let n = 0; n < facts[piece * outcomeFactsPerPiece]!; n++, at += 32)
      parts.push(blobs.get(Buffer.from(ids.subarray(at, at + 32)).toString('hex'))!);
    return Buffer.concat(parts);
  });
}

const random = randomOf('read pages');
const bytes = random.bytes(1_300_000);

describe('pieces of files', () => {
  test('are cut at multiples of their chunks, each from where it begins', () => {
    const { read, blobs } = sampleReader();
    const path = write('cut', bytes);
    const outcome = read({
      source: { paths: `${path}\0${path}\0${path}\0` },
      facts: factsOf(
        { bytes: 655_360 },
        { offset: 655_360, bytes: 655_360 },
        { bytes: 40_000, chunkBytes: 40_000 },
      ),
    });
    const found = contents(outcome, blobs);
    assert.ok(found[0]!.equals(bytes.subarray(0, 655_360)));
    assert.ok(found[1]!.equals(bytes.subarray(655_360)));
    assert.ok(found[2]!.equals(bytes.subarray(0, 40_000)));
    assert.deepEqual([...outcome.facts.subarray(0, 2)], [40, 655_360]);
    assert.deepEqual([...outcome.facts.subarray(4, 6)], [Math.ceil(644_640 / 16_384), 644_640]);
    assert.ok([...blobs.values()].every((blob) => blob.length <= 40_000));
  });

  test('that end early are stored as far as they go; those that are gone are problems of their own', () => {
    const { read, blobs } = sampleReader();
    const path = write('short', bytes.subarray(0, 20_000));
    const outcome = read({
      source: { paths: `${path}\0${join(folder, 'gone')}\0${path}\0` },
      facts: factsOf({ bytes: 100_000 }, { bytes: 5 }, { offset: 30_000, bytes: 5 }),
    });
    assert.deepEqual(
      outcome.problems.map(({ piece, problem }) => [piece, problem.code]),
      [[1, 'ENOENT']],
    );
    assert.deepEqual(
      [...outcome.facts].filter((_, n) => n % outcomeFactsPerPiece === 1),
      [20_000, 0, 0],
    );
    assert.ok(contents(outcome, blobs)[0]!.equals(bytes.subarray(0, 20_000)));
  });

  test('are never more than was asked for, however long the file has become', () => {
    const { read, blobs } = sampleReader();
    const path = write('grown', bytes);
    const outcome = read({ source: { paths: `${path}\0` }, facts: factsOf({ bytes: 50_001 }) });
    assert.ok(contents(outcome, blobs)[0]!.equals(bytes.subarray(0, 50_001)));
  });
});

test('bytes handed over are stored as files are', () => {
  const { read, blobs } = sampleReader();
  const memory = new SharedArrayBuffer(200_000);
  new Uint8Array(memory).set(bytes.subarray(0, 200_000));
  const outcome = read({
    source: { memory },
    facts: factsOf(
      { offset: 1000, bytes: 100_000 },
      { offset: 150_000, bytes: 0 },
      { offset: 199_999, bytes: 1 },
    ),
  });
  assert.deepEqual(
    contents(outcome, blobs).map(({ length }) => length),
    [100_000, 0, 1],
  );
  assert.ok(contents(outcome, blobs)[0]!.equals(bytes.subarray(1000, 101_000)));
});

test('chunks of zeros are stored once, and named each time', () => {
  const { read, stored } = sampleReader();
  const path = write('zeros', Buffer.alloc(1_000_000));
  const outcome = read({ source: { paths: `${path}\0` }, facts: factsOf({ bytes: 1_000_000 }) });
  const whole = createHash('sha256').update(Buffer.alloc(16_384)).digest();
  for (let n = 0; n < 61; n++) assert.ok(whole.equals(outcome.ids.subarray(32 * n, 32 * n + 32)));
  assert.equal(stored(), 2);
});

describe('pages', () => {
  const pageBytes = 8192;
  function pagesFrom(firstBlock: number, count: number): Buffer {
    const pages = Buffer.from(bytes.subarray(0, count * pageBytes));
    for (let n = 0; n < count; n++) {
      const page = pages.subarray(n * pageBytes, (n + 1) * pageBytes);
      page.writeBigUInt64LE(0n, 0);
      page.writeUInt16LE(100, 14);
      page.writeUInt16LE(pageChecksum(page, firstBlock + n), 8);
    }
    return pages;
  }
  const damagedOf = ({ damaged }: PageBatchOutcome): number[][] =>
    Array.from({ length: damaged.length / factsPerDamagedPage }, (_, n) => [
      ...damaged.subarray(n * factsPerDamagedPage, n * factsPerDamagedPage + 2),
    ]);

  test('that are damaged are told with the piece and the block', () => {
    const { read } = sampleReader();
    const pages = pagesFrom(500, 100);
    pages[99 * pageBytes + 17]! ^= 1;
    pages[3 * pageBytes + 8]! ^= 1;
    const path = write('damaged', pages);
    const facts = factsOf(
      { bytes: 64 * pageBytes, pageBytes, firstBlock: 500 },
      { offset: 64 * pageBytes, bytes: 64 * pageBytes, pageBytes, firstBlock: 564 },
    );
    const outcome = read({ source: { paths: `${path}\0${path}\0` }, facts });
    assert.deepEqual(damagedOf(outcome), [
      [0, 503],
      [1, 599],
    ]);
  });

  test('that were torn when they were read first are read again, and stored whole', () => {
    const whole = pagesFrom(0, 100);
    const torn = Buffer.from(whole);
    torn.fill(7, 80 * pageBytes, 80 * pageBytes + 4096);
    const path = write('torn', torn);
    const mend = (): void => writeFileSync(path, whole);
    const { read, blobs } = sampleReader(undefined, mend);
    const facts = factsOf({ bytes: whole.length, pageBytes });
    const outcome = read({ source: { paths: `${path}\0` }, facts });
    assert.deepEqual(damagedOf(outcome), []);
    assert.ok(contents(outcome, blobs)[0]!.equals(whole));
  });

  test('of which only a part is there are not judged', () => {
    const { read } = sampleReader();
    const path = write('part', pagesFrom(0, 2).subarray(0, pageBytes + 100));
    const outcome = read({
      source: { paths: `${path}\0` },
      facts: factsOf({ bytes: 2 * pageBytes, pageBytes }),
    });
    assert.deepEqual(damagedOf(outcome), []);
    assert.equal(outcome.facts[1], pageBytes + 100);
  });
});

test('whoever is cancelled stops between two blocks', () => {
  const sample = sampleReader(() => Atomics.store(sample.control, 0, 1));
  const path = write('cancelled', bytes);
  const job = { source: { paths: `${path}\0` }, facts: factsOf({ bytes: bytes.length }) };
  assert.throws(() => sample.read(job), /cancelled/);
});
