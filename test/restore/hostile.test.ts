import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import type { Id } from '../../src/model/id.ts';
import { type Forgery, forge, idOf, nodeJson, treeJson } from '../damage/forge.ts';
import { restore, scratchFolder } from './sample.ts';

const scratch = scratchFolder();
const content = Buffer.from('content of a file');
const file = (name: string, id: Id, size = 17): string =>
  nodeJson(name, 'file', `,"content":["${id}"],"size":${size}`);
const folder = (name: string, subtree: Id): string => nodeJson(name, 'dir', `,"subtree":"${subtree}"`);

/** Stores these trees and data as they are. */
async function store(trees: readonly string[], data: readonly Uint8Array[] = [content]): Promise<Forgery> {
  const forgery = await forge();
  await forgery.index([
    await forgery.pack(trees.map((json) => ({ type: 'tree', bytes: Buffer.from(json) }))),
    await forgery.pack(data.map((bytes) => ({ type: 'data', bytes }))),
  ]);
  return forgery;
}

let restores = 0;
async function restoreTree(forgery: Forgery, json: string) {
  const target = join(scratch, `target ${restores++}`);
  const report = await restore(forgery.repository, idOf(Buffer.from(json)), target);
  return { ...report, target };
}

describe('a restore of what lies on purpose', () => {
  for (const name of ['..', '.', '', '../escaped', 'a/b', '/etc/passwd']) {
    test(`refuses the name ${JSON.stringify(name)}`, async () => {
      const inner = treeJson(file(name, idOf(content)));
      const outer = treeJson(file('a', idOf(content)), folder('b', idOf(Buffer.from(inner))));
      const forgery = await store([inner, outer]);
      const { problems, target } = await restoreTree(forgery, outer);
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, /^\/b: tree [0-9a-f]{64} has an entry with an unsafe name/);
      assert.deepEqual(readdirSync(join(target, 'b')), []);
      assert.equal(readFileSync(join(target, 'a'), 'utf8'), content.toString());
      await assert.rejects(restoreTree(forgery, inner), (error) => hasCode(error, 'tree-unsafe'));
      assert.equal(existsSync(join(scratch, 'escaped')), false);
    });
  }

  test('refuses a symlink and a folder of the same name', async () => {
    const outside = join(scratch, 'outside');
    mkdirSync(outside);
    const inner = treeJson(file('planted', idOf(content)));
    const json = treeJson(
      nodeJson('a', 'symlink', `,"linktarget":${JSON.stringify(outside)}`),
      folder('a', idOf(Buffer.from(inner))),
    );
    await assert.rejects(restoreTree(await store([inner, json]), json), (error) =>
      hasCode(error, 'repository-damaged'),
    );
    assert.deepEqual(readdirSync(outside), []);
  });

  test('refuses a tree that contains itself through an index that lies', async () => {
    const forgery = await forge();
    const id = 'ab'.repeat(32) as Id;
    const json = Buffer.from(treeJson(folder('again', id)));
    await forgery.index([await forgery.pack([{ type: 'tree', bytes: json, claims: { id } }])]);
    await assert.rejects(restore(forgery.repository, id, join(scratch, 'cyclic')), (error) =>
      hasCode(error, 'repository-damaged', 'tree-unsafe'),
    );
  });

  test('refuses a file whose size is not that of its blobs, before it is made', async () => {
    const json = treeJson(
      file('a', idOf(content)),
      file('b', idOf(content), 1e15),
      file('c', idOf(content), 3),
    );
    const { problems, target } = await restoreTree(await store([json]), json);
    assert.deepEqual(problems, [
      '/b: /b claims to have 1000000000000000 bytes, but its blobs hold 17',
      '/c: /c claims to have 3 bytes, but its blobs hold 17',
    ]);
    assert.deepEqual(readdirSync(target), ['a']);
  });

  test('never lets content in a file that its ID does not fit', async () => {
    const forgery = await forge();
    const id = 'cd'.repeat(32) as Id;
    const json = Buffer.from(treeJson(file('a', id), file('b', idOf(content))));
    await forgery.index([
      await forgery.pack([{ type: 'tree', bytes: json }]),
      await forgery.pack([
        { type: 'data', bytes: Buffer.from('17 bytes of lies.'), claims: { id } },
        { type: 'data', bytes: content },
      ]),
    ]);
    const target = join(scratch, 'lies');
    const { problems, counts } = await restore(forgery.repository, idOf(json), target);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /^\/a: blob (cd){32} holds other content than its ID says/);
    assert.equal(counts.filesRestored, 1);
    assert.equal(existsSync(join(target, 'a')) && readFileSync(join(target, 'a'), 'utf8'), false);
    assert.equal(readFileSync(join(target, 'b'), 'utf8'), content.toString());
  });

  test('takes another copy of a blob where one is damaged', async () => {
    const forgery = await forge();
    const json = Buffer.from(treeJson(file('a', idOf(content))));
    const spoiled = await forgery.pack([{ type: 'data', bytes: content }], (pack) => {
      pack[20]! ^= 1;
      return pack;
    });
    await forgery.index([
      spoiled,
      await forgery.pack([{ type: 'tree', bytes: json }]),
      await forgery.pack([{ type: 'data', bytes: content }]),
    ]);
    const target = join(scratch, 'copies');
    const { problems } = await restore(forgery.repository, idOf(json), target);
    assert.deepEqual(problems, []);
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), content.toString());
  });

  test('names a type that it does not know, and brings back the rest', async () => {
    const json = treeJson(file('a', idOf(content)), nodeJson('b', 'portal'), nodeJson('c', 'fifo'));
    const { problems, target } = await restoreTree(await store([json]), json);
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /^\/b: .* has a type that cannot be restored: "portal"/);
    assert.deepEqual(readdirSync(target).sort(), ['a', 'c']);
  });

  test('refuses blobs of an absurd size', async () => {
    const forgery = await forge();
    const json = Buffer.from(treeJson(file('a', idOf(content), 0xfffffff0)));
    await forgery.index([
      await forgery.pack([{ type: 'tree', bytes: json }]),
      await forgery.pack([{ type: 'data', bytes: content, claims: { uncompressedLength: 0xfffffff0 } }]),
    ]);
    const target = join(scratch, 'absurd');
    const { problems } = await restore(forgery.repository, idOf(json), target);
    assert.match(problems.join(), /claims to be larger than any blob; refused/);
    assert.deepEqual(readdirSync(target), []);
  });

  test('removes nothing where it does not know all of what should be there', async () => {
    const missing = 'ef'.repeat(32) as Id;
    const json = treeJson(folder('a', missing), file('b', idOf(content)));
    const forgery = await store([json]);
    const target = join(scratch, 'kept');
    mkdirSync(join(target, 'a'), { recursive: true });
    writeFileSync(join(target, 'a', 'precious'), '');
    const { problems } = await restore(forgery.repository, idOf(Buffer.from(json)), target, {
      deleteExtra: true,
    });
    assert.equal(problems.length, 1);
    assert.ok(existsSync(join(target, 'a', 'precious')));
    assert.ok(existsSync(join(target, 'b')));
  });

  test('ends with what to do when the target cannot take more', async (t) => {
    if (!existsSync('/dev/full')) return t.skip('there is no /dev/full');
    const json = treeJson(file('a', idOf(content)));
    const forgery = await store([json]);
    await assert.rejects(
      restore(forgery.repository, idOf(Buffer.from(json)), '/proc/lifeboat-restore'),
      (error) => hasCode(error, 'target-failed') && /choose a target/.test(error.hint),
    );
  });
});
