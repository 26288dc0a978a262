import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { memoryStorage } from '../../../test/damage/memory-storage.ts';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { Storage } from '../storage.ts';
import { withCache } from './cache.ts';
import { openCacheFolder } from './cache-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'cache-'));
after(() => rmSync(base, { recursive: true, force: true }));

const repositoryId = 'ab'.repeat(32);
const path = join(base, repositoryId);
beforeEach(() => rmSync(path, { recursive: true, force: true }));

const nameOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const packKey = (bytes: Uint8Array): string => `data/${nameOf(bytes).slice(0, 2)}/${nameOf(bytes)}`;
const filesIn = (folder: string): string[] =>
  readdirSync(join(path, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

interface Sample {
  readonly storage: Storage;
  readonly cached: Storage;
  /** What was asked of the storage. */
  readonly asked: string[];
  readonly warnings: string[];
}

function sample(bytesMax = 1e9, from: Storage = memoryStorage()): Sample {
  const asked: string[] = [];
  const warnings: string[] = [];
  const storage: Storage = {
    ...from,
    load(key, range) {
      asked.push(`load ${key}`);
      return from.load(key, range);
    },
  };
  const folder = openCacheFolder(base, repositoryId, bytesMax);
  const cached = withCache(storage, { folder, warn: (message) => warnings.push(message) });
  return { storage, cached, asked, warnings };
}

const trees = { holdsTrees: true } as const;

describe('a cache', () => {
  test('keeps index files, snapshots and packs of trees, and nothing else', async () => {
    const { cached, asked } = sample();
    const bytes = randomBytes(1000);
    const keys = [`index/${nameOf(bytes)}`, `snapshots/${nameOf(bytes)}`, packKey(bytes)];
    for (const key of keys) await cached.save(key, [bytes.subarray(0, 400), bytes.subarray(400)], trees);
    await cached.save('config', [bytes]);
    const { cached: later, asked: askedLater } = sample(1e9, memoryStorage());
    for (const key of keys) assert.ok((await later.load(key, undefined, trees)).equals(bytes), key);
    assert.ok((await later.load(keys[2]!, { offset: 10, length: 20 }, trees)).equals(bytes.subarray(10, 30)));
    assert.deepEqual([asked, askedLater], [[], []]);
    await assert.rejects(later.load('config'), (error) => hasCode(error, 'storage-missing-file'));
    await assert.rejects(later.load(keys[2]!), (error) => hasCode(error, 'storage-missing-file'));
  });

  test('fetches a pack of trees whole and once, whoever wants parts of it', async () => {
    const { storage, cached, asked } = sample();
    const bytes = randomBytes(100_000);
    await storage.save(packKey(bytes), [bytes]);
    const parts = await Promise.all(
      [0, 300, 99_000].map((offset) => cached.load(packKey(bytes), { offset, length: 2000 }, trees)),
    );
    assert.deepEqual(
      parts.map((part) => part.length),
      [2000, 2000, 1000],
    );
    assert.ok(parts[1]!.equals(bytes.subarray(300, 2300)));
    assert.ok(
      (await cached.load(packKey(bytes), { offset: 5, length: 5 }, trees)).equals(bytes.subarray(5, 10)),
    );
    assert.equal(asked.length, 1);
  });

  test('fetches anew what is damaged in its folder', async () => {
    const { cached } = sample();
    const bytes = randomBytes(1000);
    const key = `index/${nameOf(bytes)}`;
    await cached.save(key, [bytes]);
    const file = join(path, 'index', nameOf(bytes).slice(0, 2), nameOf(bytes));
    for (const damaged of [bytes.subarray(0, 999), Buffer.from(bytes).fill(0, 500, 501), Buffer.alloc(0)]) {
      writeFileSync(file, damaged);
      const { storage, cached: later, asked } = sample();
      await storage.save(key, [bytes]);
      assert.ok((await later.load(key)).equals(bytes));
      assert.ok((await later.load(key)).equals(bytes));
      assert.deepEqual(asked, [`load ${key}`]);
    }
  });

  test('may be deleted at any time', async () => {
    const { storage, cached } = sample();
    const bytes = randomBytes(1000);
    await storage.save(packKey(bytes), [bytes]);
    assert.equal(cached.copyPath!(packKey(bytes)), null, 'nothing was proven yet');
    await cached.load(packKey(bytes), { offset: 0, length: 10 }, trees);
    assert.ok(readFileSync(cached.copyPath!(packKey(bytes))!).equals(bytes));
    rmSync(path, { recursive: true });
    assert.ok(
      (await cached.load(packKey(bytes), { offset: 1, length: 9 }, trees)).equals(bytes.subarray(1, 10)),
    );
  });

  test('keeps nothing of what could not be saved', async () => {
    const refusing: Storage = {
      ...memoryStorage(),
      save: () => Promise.reject(new LifeboatError('storage-full', 'as if there were no room')),
    };
    const { cached } = sample(1e9, refusing);
    const bytes = randomBytes(10);
    await assert.rejects(cached.save(`index/${nameOf(bytes)}`, [bytes]), (error) =>
      hasCode(error, 'storage-full'),
    );
    assert.deepEqual(filesIn('index'), []);
  });

  test('lets go of what the storage no longer has', async () => {
    const { storage, cached } = sample();
    const [one, two, three] = [randomBytes(10), randomBytes(10), randomBytes(10)] as const;
    for (const bytes of [one, two, three]) await cached.save(`snapshots/${nameOf(bytes)}`, [bytes]);
    await cached.remove(`snapshots/${nameOf(one)}`);
    assert.equal(filesIn('snapshots').length, 2);
    await storage.remove(`snapshots/${nameOf(two)}`);
    await cached.list('snapshots/');
    assert.deepEqual(filesIn('snapshots'), [nameOf(three)]);
  });

  test('keeps no more packs than it may, the most recently used', async () => {
    const { cached } = sample(10_000);
    const packs = Array.from({ length: 9 }, () => randomBytes(1000));
    for (const [n, bytes] of packs.entries()) {
      await cached.save(packKey(bytes), [bytes], trees);
      const file = join(path, 'data', nameOf(bytes).slice(0, 2), nameOf(bytes));
      utimesSync(file, 1000 + n, 1000 + n);
    }
    await cached.load(packKey(packs[0]!), { offset: 0, length: 1 }, trees); // is used now
    for (let n = 0; n < 3; n++) {
      const bytes = randomBytes(1000);
      await cached.save(packKey(bytes), [bytes], trees);
    }
    const left = new Set(filesIn('data'));
    assert.ok(left.size <= 10 && left.size >= 8, String(left.size));
    assert.ok(left.has(nameOf(packs[0]!)) && !left.has(nameOf(packs[1]!)));
  });

  test('that cannot be written is told of once, and done without', async () => {
    mkdirSync(path, { recursive: true });
    const blocked = join(path, 'index');
    writeFileSync(blocked, 'in the way');
    chmodSync(blocked, 0o600);
    const { storage, cached, warnings, asked } = sample();
    const bytes = randomBytes(1000);
    const key = `index/${nameOf(bytes)}`;
    await cached.save(key, [bytes]);
    assert.ok((await storage.load(key)).equals(bytes), 'it is stored all the same');
    assert.ok((await cached.load(key)).equals(bytes));
    assert.ok((await cached.load(key)).equals(bytes));
    assert.equal(asked.length, 3);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^the cache .* cannot be used: /);
  });

  test('in a place where no folder can be made ends nothing, and never loops', async () => {
    const warnings: string[] = [];
    const folder = openCacheFolder('/proc/1/cache', repositoryId, 1e9);
    const cached = withCache(memoryStorage(), { folder, warn: (message) => warnings.push(message) });
    const bytes = randomBytes(10);
    await cached.save(`index/${nameOf(bytes)}`, [bytes]);
    assert.ok((await cached.load(`index/${nameOf(bytes)}`)).equals(bytes));
    assert.equal(warnings.length, 1);
  });
});
