import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import { localStorage } from '../storage/local/local.ts';
import { keyOf } from './layout.ts';
import { openPackFiles } from './pack-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'pack-files-'));
const storage = localStorage(join(folder, 'repository'));
const packs = new Map<Id, Buffer>();
before(async () => {
  await storage.create();
  for (let n = 0; n < 40; n++) {
    const bytes = randomBytes(3000);
    const id = createHash('sha256').update(bytes).digest('hex') as Id;
    packs.set(id, bytes);
    await storage.save(keyOf('data', id), [bytes]);
  }
});
after(() => rmSync(folder, { recursive: true }));

const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('parts of many packs are read with few of them open, and none after closing', async () => {
  const before = descriptors();
  const files = openPackFiles(storage);
  for (let round = 0; round < 2; round++)
    for (const [id, bytes] of packs) {
      const found = await files.read('data', id, 100, 500);
      assert.ok(bytes.subarray(100, 600).equals(found));
      assert.ok(descriptors() <= before + 16);
    }
  files.close();
  assert.equal(descriptors(), before);
  const [[id, bytes]] = packs as unknown as [[Id, Buffer]];
  assert.ok(bytes.equals(await files.read('data', id, 0, bytes.length)), 'and reading may go on');
  files.close();
});

test('a part beyond the end is shorter', async () => {
  const files = openPackFiles(storage);
  const [id, bytes] = [...packs][0]!;
  assert.ok(bytes.subarray(2900).equals(await files.read('data', id, 2900, 500)));
  files.close();
});

test('a pack that is not there is an error of the storage', async () => {
  const files = openPackFiles(storage);
  await assert.rejects(
    async () => files.read('data', '00'.repeat(32) as Id, 0, 10),
    (error) => hasCode(error, 'storage-missing-file'),
  );
  files.close();
});
