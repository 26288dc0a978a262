import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createTableMemory, openTable } from '../index/table.ts';
import type { BlobEncoder } from './blob-encoder.ts';
import { type ContentState, contentStates, factsPerFile, outcomeFactsPerFile } from './protocol.ts';
import { createFileReader } from './read-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'read-files-'));
after(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

/** A reader that stores in memory; `reading` runs while a file is being read, when its n-th chunk was taken. */
function sampleReader(reading: (n: number) => void = () => {}) {
  let chunks = 0;
  const blobs = new Map<string, Buffer>();
  const encoder = {
    store(_type, id, _entry, bytes) {
      blobs.set(Buffer.from(id).toString('hex'), Buffer.from(bytes));
      return bytes.length + 69;
    },
  } as Partial<BlobEncoder> as BlobEncoder;
  const control = new Int32Array(new SharedArrayBuffer(4));
  const reader = createFileReader(openTable(createTableMemory()), encoder, 0x3da3358b4dc173n, control, () =>
    reading(chunks++),
  );
  return { reader, blobs, control };
}

type Reader = ReturnType<typeof sampleReader>;

/** As the walk saw the file: its size and times of now, unless others are given. */
function factsOf(name: string): number[] {
  const { size, mtimeMs, ctimeMs } = statSync(path(name));
  return [size, mtimeMs, ctimeMs];
}

function read({ reader, blobs }: Reader, name: string, facts: readonly number[] = factsOf(name)) {
  assert.equal(facts.length, factsPerFile);
  const {
    ids,
    facts: found,
    problems,
  } = reader.files({ paths: `${path(name)}\0`, facts: Float64Array.from(facts) });
  assert.equal(found.length, outcomeFactsPerFile);
  const content = Buffer.concat(
    Array.from(
      { length: found[0]! },
      (_, n) => blobs.get(Buffer.from(ids.subarray(32 * n, 32 * n + 32)).toString('hex'))!,
    ),
  );
  const state: ContentState = contentStates[found[4]!]!;
  return { content, size: found[1], state, seen: [...found.subarray(5)], problems };
}

describe('a file', () => {
  for (const size of [0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_000])
    test(`of ${size} bytes is read as it is`, () => {
      const bytes = randomBytes(size);
      writeFileSync(path('file'), bytes);
      const found = read(sampleReader(), 'file');
      assert.ok(found.content.equals(bytes));
      assert.deepEqual([found.size, found.state, found.problems.length], [size, 'same', 0]);
    });

  test('that changed since it was seen is read as it is now, and says as what', () => {
    for (const size of [3, 2_000_000]) {
      writeFileSync(path('file'), 'before');
      const seen = factsOf('file');
      const bytes = randomBytes(size);
      writeFileSync(path('file'), bytes);
      const found = read(sampleReader(), 'file', seen);
      assert.ok(found.content.equals(bytes));
      assert.equal(found.state, 'newer');
      assert.deepEqual(found.seen, factsOf('file'));
    }
  });

  for (const [what, change] of [
    ['grows', () => appendFileSync(path('file'), 'more')],
    ['shrinks', () => truncateSync(path('file'), 100_000)],
    ['is touched', () => utimesSync(path('file'), 1, Math.random() * 1e6)],
  ] as const) {
    test(`that ${what} while it is read, and then stands still, is read again`, () => {
      writeFileSync(path('file'), randomBytes(1_200_000));
      const found = read(
        sampleReader((n) => n === 0 && change()),
        'file',
      );
      assert.equal(found.state, 'newer');
      assert.deepEqual(found.seen, factsOf('file'));
      assert.equal(found.content.length, statSync(path('file')).size);
    });

    test(`that ${what} each time it is read is torn`, () => {
      writeFileSync(path('file'), randomBytes(1_200_000));
      assert.equal(read(sampleReader(change), 'file').state, 'torn');
    });
  }

  test('that cannot be opened is a problem of its own, the others are read', () => {
    writeFileSync(path('file'), 'content');
    const { reader } = sampleReader();
    const facts = Float64Array.from([...factsOf('file'), 0, 0, 0, ...factsOf('file')]);
    const { ids, problems } = reader.files({
      paths: [path('file'), path('none'), path('file')].join('\0').concat('\0'),
      facts,
    });
    assert.deepEqual(
      problems.map(({ file, problem }) => [file, problem.code]),
      [[1, 'ENOENT']],
    );
    assert.equal(ids.length, 64);
  });
});

test('a scan in steps finds the chunks that reading at once finds', () => {
  const bytes = randomBytes(9_000_000);
  writeFileSync(path('large'), bytes);
  const sample = sampleReader();
  const cuts: number[] = [0];
  for (let start = 0, ended = false; !ended; start = cuts.at(-1)!) {
    const found = sample.reader.scan(path('large'), start, 2_000_000);
    cuts.push(...found.cuts.slice(1));
    ended = found.ended;
  }
  assert.equal(cuts.at(-1), bytes.length);
  const { content } = sample.reader.chunks(path('large'), Float64Array.from(cuts));
  const whole = read(sampleReader(), 'large');
  const idsOf = (list: readonly number[]): string =>
    list
      .slice(1)
      .map((end, n) => createHash('sha256').update(bytes.subarray(list[n], end)).digest('hex'))
      .join('');
  assert.equal(Buffer.from(content!).toString('hex'), idsOf(cuts));
  assert.ok(whole.content.equals(bytes));
  assert.equal(whole.state, 'same');
});

test('a large file that became shorter than it was when it was cut is a problem', () => {
  writeFileSync(path('large'), randomBytes(2_000_000));
  const { reader } = sampleReader();
  const { cuts } = reader.scan(path('large'), 0, 1e9);
  truncateSync(path('large'), 1000);
  assert.equal(reader.chunks(path('large'), cuts).problem?.code, 'ESTALE');
  rmSync(path('large'));
  assert.equal(reader.chunks(path('large'), cuts).problem?.code, 'ENOENT');
  assert.equal(reader.scan(path('large'), 0, 1e9).problem?.code, 'ENOENT');
});

test('whoever is cancelled stops in the middle of a file', () => {
  writeFileSync(path('file'), randomBytes(3_000_000));
  const sample = sampleReader(() => Atomics.store(sample.control, 0, 1));
  assert.throws(() => read(sample, 'file'), /cancelled/);
  assert.equal(sample.blobs.size, 1);
});

test('a defect ends the run instead of being taken for a problem of the file', () => {
  writeFileSync(path('file'), 'content');
  const sample = sampleReader(() => {
    throw new TypeError('a defect');
  });
  assert.throws(() => read(sample, 'file'), TypeError);
});
