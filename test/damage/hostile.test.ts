import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { treeDepthMax } from '../../src/engine/walk/walk-tree.ts';
import type { Id } from '../../src/model/id.ts';
import { repositoryCheckedWith } from './checked-with.ts';
import { followAdvice } from './follow-advice.ts';
import { type ForgedBlob, type Forgery, forge, idOf, nodeJson, treeJson, zstdFrame } from './forge.ts';

const content = Buffer.from('content of a file');
const file = (name: string, id: Id): string => nodeJson(name, 'file', `,"content":["${id}"],"size":17`);

/** Asserts that the check names exactly these, with no other error. */
async function assertFinds(forgery: Forgery, ...patterns: readonly RegExp[]): Promise<void> {
  const { report, problems } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
  const messages = problems.map(({ message }) => message).join('\n');
  for (const pattern of patterns) assert.match(messages, pattern);
  assert.ok(report.errors > 0);
}

/** A sound repository but for one pack with this blob of data. */
async function withBlob(blob: ForgedBlob): Promise<Forgery> {
  const forgery = await forge();
  const bytes = Buffer.from(treeJson(file('a', blob.claims?.id ?? idOf(blob.bytes))));
  await forgery.index([await forgery.pack([{ type: 'tree', bytes }]), await forgery.pack([blob])]);
  await forgery.snapshot(idOf(bytes));
  return forgery;
}

describe('a check of what lies on purpose', () => {
  test('finds nothing wrong with what does not lie', async () => {
    const forgery = await forge();
    await forgery.tree(treeJson(file('a', idOf(content))), [content]);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.equal(report.errors, 0);
    assert.equal(report.trees, 1);
  });

  test('refuses a blob that unpacks to more than it says', async () => {
    const bomb = Buffer.alloc(256 << 20);
    const forgery = await withBlob({
      type: 'data',
      bytes: content,
      frame: zstdFrame(bomb),
      claims: { uncompressedLength: 1000 },
    });
    const before = process.memoryUsage().rss;
    await assertFinds(forgery, /blob [0-9a-f]{64} cannot be decompressed/);
    assert.ok(process.memoryUsage().rss - before < 200 << 20, 'it was unpacked all the same');
  });

  test('refuses a blob that says it is of an absurd size', async () => {
    const forgery = await withBlob({
      type: 'data',
      bytes: content,
      frame: zstdFrame(content),
      claims: { uncompressedLength: 0xfffffff0 },
    });
    await assertFinds(forgery, /claims to unpack to 4294967280 bytes; refused/);
  });

  test('notices a blob that is shorter than its index says', async () => {
    const forgery = await withBlob({
      type: 'data',
      bytes: content,
      frame: zstdFrame(content),
      claims: { uncompressedLength: 100 },
    });
    await assertFinds(forgery, /unpacks to 17 bytes, the index says 100/);
  });

  test('refuses an index that unpacks to gigabytes', async () => {
    const forgery = await forge();
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]);
    const sealed = forgery.repository.sealer.seal(Buffer.concat([Buffer.of(2), frame]));
    await forgery.storage.save(`index/${idOf(sealed)}`, [sealed]);
    await assertFinds(forgery, /would unpack to \d+ bytes; refused/);
  });

  test('names content that its ID does not fit', async () => {
    const forgery = await withBlob({ type: 'data', bytes: content, claims: { id: 'ab'.repeat(32) as Id } });
    await assertFinds(forgery, /holds other content than its ID says/);
  });

  for (const [what, length] of [
    ['zero', 0],
    ['larger than the pack', 5000],
    ['larger than any header', 0xffffffff],
    ['that of half an entry', 50],
  ] as const) {
    test(`names a pack whose header length is ${what}, and saves what is in it`, async () => {
      const forgery = await forge();
      const bytes = Buffer.from(treeJson(file('a', idOf(content))));
      const spoiled = await forgery.pack([{ type: 'data', bytes: content }], (pack) => {
        pack.writeUInt32LE(length, pack.length - 4);
        return pack;
      });
      await forgery.index([await forgery.pack([{ type: 'tree', bytes }]), spoiled]);
      await forgery.snapshot(idOf(bytes));
      const { report, problems } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
      assert.deepEqual(report.damagedPacks, [spoiled.id]);
      assert.match(problems[0]!.message, /header/);
      await followAdvice(forgery.repository, report);
      const after = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
      assert.deepEqual([after.report.errors, after.report.snapshots, after.report.packs], [0, 1, 2]);
    });
  }

  test('names blobs that the index places outside of their pack', async () => {
    const forgery = await forge();
    const bytes = Buffer.from(treeJson(file('a', idOf(content))));
    const honest = await forgery.pack([{ type: 'data', bytes: content }]);
    const [blob] = honest.blobs;
    const lying = { id: honest.id, blobs: [{ ...blob!, offset: 0xfffffff0, length: 0xfffffff0 }] };
    await forgery.index([await forgery.pack([{ type: 'tree', bytes }]), lying]);
    await forgery.snapshot(idOf(bytes));
    await assertFinds(forgery, /where the index says/, /lies beyond the pack's end/);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    await followAdvice(forgery.repository, report);
  });

  test('names blobs that index and header describe differently', async () => {
    const forgery = await forge();
    const other = Buffer.from('other content, not the same');
    const honest = await forgery.pack([
      { type: 'data', bytes: content },
      { type: 'data', bytes: other },
    ]);
    await forgery.index([{ id: honest.id, blobs: [honest.blobs[0]!] }]);
    await assertFinds(forgery, /its header names the data blob .* which the index does not/);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    await followAdvice(forgery.repository, report);
  });

  test('tells two descriptions of one pack that contradict each other', async () => {
    const forgery = await forge();
    const bytes = Buffer.from(treeJson(file('a', idOf(content))));
    const honest = await forgery.pack([{ type: 'data', bytes: content }]);
    const [blob] = honest.blobs;
    const tree = await forgery.pack([{ type: 'tree', bytes }]);
    await forgery.index([tree, honest]);
    await forgery.index([{ id: honest.id, blobs: [{ ...blob!, length: 40 }] }]);
    await forgery.snapshot(idOf(bytes));
    await assertFinds(forgery, /is described differently/);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    await followAdvice(forgery.repository, report);
    const after = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.deepEqual([after.report.snapshots, after.report.trees], [1, 1]);
  });

  const missing = 'cd'.repeat(32) as Id;
  const trees: Readonly<Record<string, readonly [json: string, pattern: RegExp]>> = {
    'a name that leaves its folder': [
      treeJson(nodeJson('../etc', 'fifo')),
      /has a name that contains a slash/,
    ],
    'the name ..': [treeJson(nodeJson('..', 'fifo')), /names a directory outside/],
    'an empty name': [treeJson(nodeJson('', 'fifo')), /has a name that is empty/],
    'a name twice': [treeJson(nodeJson('a', 'fifo'), nodeJson('a', 'fifo')), /"a" appears twice/],
    'names out of order': [treeJson(nodeJson('b', 'fifo'), nodeJson('a', 'fifo')), /not in order/],
    'a file without a list of blobs': [treeJson(nodeJson('a', 'file')), /has no list of blobs/],
    'a file of which a blob is missing': [treeJson(file('a', missing)), /blob (cd){32} is not in the index/],
    'a blob with the null ID': [treeJson(file('a', '0'.repeat(64) as Id)), /has the null ID/],
    'a folder without a tree': [treeJson(nodeJson('a', 'dir')), /folder "a" has no tree/],
    'a folder whose tree is missing': [
      treeJson(nodeJson('a', 'dir', `,"subtree":"${missing}"`)),
      /tree (cd){32} is not in the index/,
    ],
    'an entry of an unknown type': [treeJson(nodeJson('a', 'portal')), /invalid type "portal"/],
    'something else than JSON': ['nonsense', /not readable/],
    'JSON that is no tree': ['{"nodes":7}', /not readable/],
  };
  for (const [what, [json, pattern]] of Object.entries(trees)) {
    test(`names a tree with ${what}, and repair makes it sound`, async () => {
      const forgery = await forge();
      await forgery.tree(json);
      await assertFinds(forgery, pattern);
      const { report } = await repositoryCheckedWith(forgery.repository, null);
      assert.equal(report.affectedSnapshots.length, 1);
      await followAdvice(forgery.repository, report);
    });
  }

  test('does not count what is wrong with trees that no snapshot uses', async () => {
    const forgery = await forge();
    await forgery.index([
      await forgery.pack([{ type: 'tree', bytes: Buffer.from(treeJson(file('a', missing))) }]),
    ]);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.equal(report.errors, 0);
  });

  test('tells of a snapshot whose tree nobody knows', async () => {
    const forgery = await forge();
    await forgery.snapshot(missing);
    await assertFinds(forgery, /its tree (cd){32} is not in the index/);
  });

  test('takes thousands of problems in one tree for what they are: one lie', async () => {
    const forgery = await forge();
    const nodes = Array.from({ length: 5000 }, (_, n) => file(`f${String(n).padStart(5, '0')}`, missing));
    await forgery.tree(treeJson(...nodes));
    const { problems } = await repositoryCheckedWith(forgery.repository, null);
    assert.equal(problems.length, 21);
    assert.match(problems.at(-1)!.message, /and 4980 problems more/);
  });

  test('goes through folders nested deeper than any stack', async () => {
    const forgery = await forge();
    const blobs: ForgedBlob[] = [];
    let tree = idOf(Buffer.from(treeJson()));
    blobs.push({ type: 'tree', bytes: Buffer.from(treeJson()) });
    for (let depth = 0; depth < treeDepthMax + 5000; depth++) {
      const bytes = Buffer.from(treeJson(nodeJson('d', 'dir', `,"subtree":"${tree}"`)));
      blobs.push({ type: 'tree', bytes });
      tree = idOf(bytes);
    }
    await forgery.index([await forgery.pack(blobs)]);
    await forgery.snapshot(tree);
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.deepEqual([report.errors, report.trees], [0, treeDepthMax + 5001]);
  });

  test('takes packs that no index names for a remark, not an error', async () => {
    const forgery = await forge();
    await forgery.tree(treeJson(file('a', idOf(content))), [content]);
    await forgery.pack([{ type: 'data', bytes: Buffer.from('of an interrupted backup') }]);
    const { report, notes } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.equal(report.errors, 0);
    assert.deepEqual([report.orphanedPacks, report.suggestPrune], [1, true]);
    assert.deepEqual(
      notes.map(({ kind }) => kind),
      ['orphaned-pack'],
    );
  });

  test('takes a pack in two index files for a remark, not an error', async () => {
    const forgery = await forge();
    const pack = await forgery.pack([{ type: 'data', bytes: content }]);
    await forgery.index([pack]);
    await forgery.index([pack]);
    const { report, notes } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.deepEqual([report.errors, report.suggestRepairIndex], [0, true]);
    assert.deepEqual(
      notes.map(({ kind }) => kind),
      ['duplicate-pack'],
    );
  });

  test('takes one damaged copy of two for damage, and repair keeps the other', async () => {
    const forgery = await forge();
    const bytes = Buffer.from(treeJson(file('a', idOf(content))));
    const spoiled = await forgery.pack([{ type: 'data', bytes: content }], (pack) => {
      pack[20]! ^= 1;
      return pack;
    });
    const packs = [await forgery.pack([{ type: 'tree', bytes }]), spoiled];
    await forgery.index([...packs, await forgery.pack([{ type: 'data', bytes: content }])]);
    await forgery.snapshot(idOf(bytes));
    const { report } = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.deepEqual(report.damagedPacks, [spoiled.id]);
    await followAdvice(forgery.repository, report);
    const after = await repositoryCheckedWith(forgery.repository, { kind: 'all' });
    assert.deepEqual([after.report.errors, after.report.snapshots], [0, 1]);
  });

  test('ends when it is told to', async () => {
    const forgery = await forge();
    await forgery.tree(treeJson(file('a', idOf(content))), [content]);
    const { checkRepository } = await import('../../src/engine/check/check.ts');
    const signal = AbortSignal.abort();
    await assert.rejects(
      checkRepository(forgery.repository, { readData: null, signal }, { problem: () => undefined }),
      (error) => !hasCode(error, 'repository-damaged'),
    );
  });
});
