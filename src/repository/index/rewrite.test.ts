import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Id } from '../../model/id.ts';
import { type BlobIndex, createBlobIndex } from './blob-index.ts';
import { entriesOf, planIndexRewrite } from './rewrite.ts';
import { blobsPerIndexFile } from './writer.ts';

const idOf = (name: string): Id => createHash('sha256').update(name).digest('hex') as Id;

/** An index of files, each with packs and how many blobs these have. */
function indexOf(files: Readonly<Record<string, Readonly<Record<string, number>>>>): BlobIndex {
  const index = createBlobIndex();
  for (const [file, packs] of Object.entries(files)) {
    const numbers = Object.entries(packs).map(([pack, blobs]) =>
      index.addPack({
        id: idOf(pack),
        blobs: Array.from({ length: blobs }, (_, n) => ({
          type: 'data',
          id: idOf(`${pack} ${n}`),
          offset: n * 100,
          length: 100,
          uncompressedLength: 0,
        })),
      }),
    );
    index.files.set(idOf(file), numbers);
  }
  return index;
}

const full = blobsPerIndexFile;

describe('rewriting the index', () => {
  test('leaves full files alone that name no pack to leave out', () => {
    const index = indexOf({ one: { a: full }, two: { b: full - 1, c: 1 }, three: { d: full } });
    const { files, packs } = planIndexRewrite(index, new Set([2]));
    assert.deepEqual([files, packs], [[idOf('two')], [1]]);
  });

  test('joins files that are not full', () => {
    const index = indexOf({ one: { a: 1 }, two: { b: full }, three: { c: 1 } });
    const { files, packs } = planIndexRewrite(index, new Set());
    assert.deepEqual(
      [files, packs],
      [
        [idOf('one'), idOf('three')],
        [0, 2],
      ],
    );
  });

  test('does nothing for a single file that is not full', () => {
    assert.deepEqual(planIndexRewrite(indexOf({ one: { a: 1 } }), new Set()), { files: [], packs: [] });
  });

  test('drops a file that names a pack which another names', () => {
    const index = indexOf({ one: { a: full }, two: { a: full } });
    assert.deepEqual(planIndexRewrite(index, new Set()).files, []);
    const three = indexOf({ one: { a: full }, two: { a: full, b: 1 }, three: { c: 1 } });
    assert.deepEqual(planIndexRewrite(three, new Set()).files, [idOf('two'), idOf('three')]);
  });
});

test('entries of packs are those of the packs asked for, in order', () => {
  const index = indexOf({ one: { a: 2, b: 3, c: 1 } });
  const entries = entriesOf(index, [0, 2], (entry) => entry !== 1);
  assert.deepEqual([...entries.get(0)], [0]);
  assert.deepEqual([...entries.get(1)], []);
  assert.deepEqual([...entries.get(2)], [5]);
});
