import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** A place to test, made for one run of the suite. */
export interface StoragePlace {
  /** A new client to the place, as another process would have one. */
  connect(): Storage;
  /** Leaves behind what a save of this key leaves that was killed before its object was visible. */
  leaveUnfinished?(key: string): Promise<void>;
  /** It refuses a first save where the key is taken, instead of replacing what is there. */
  readonly refusesSecond?: true;
  close(): Promise<void>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const keyOf = (n: number): string => {
  const id = sha256(Buffer.from(String(n)));
  return `data/${id.slice(0, 2)}/${id}`;
};
const missing = (error: unknown): boolean => hasCode(error, 'storage-missing-file');

const keysThatAreNone = [
  '',
  '/',
  '/config',
  'data//x',
  'data/',
  '.',
  '..',
  '../config',
  'data/../config',
  'data/./x',
  'data/..',
  'a\0b',
  'a\nb',
  'a\\b',
  'ü',
];

/** One operation of each kind, in this order: save, load, size, list, remove. */
export async function doEach(storage: Storage): Promise<void> {
  await storage.save('data/aa/seen', [Buffer.from('x')]);
  await storage.load('data/aa/seen');
  await storage.size('data/aa/seen');
  await storage.list('data/');
  await storage.remove('data/aa/seen');
}

/** @param slow sends 1 MB and receives 2 MB a second at most. */
export async function assertPaced(slow: Storage): Promise<void> {
  const content = randomBytes(600_000);
  let started = performance.now();
  await slow.save('data/aa/paced', [content]);
  const upMs = performance.now() - started;
  started = performance.now();
  assert.ok((await slow.load('data/aa/paced')).equals(content));
  const downMs = performance.now() - started;
  assert.ok(upMs > 450, `600 kB at 1 MB/s went up in ${upMs} ms`);
  assert.ok(downMs > 180, `600 kB at 2 MB/s came down in ${downMs} ms`);
}

/** What every storage promises; a driver exists once it passes. */
export function testStorage(name: string, makePlace: () => Promise<StoragePlace>): void {
  describe(`storage ${name}`, async () => {
    const place = await makePlace();
    const storage = place.connect();
    await storage.create();
    after(() => place.close());

    const listed = async (prefix: string): Promise<Map<string, number>> =>
      new Map((await place.connect().list(prefix)).map(({ key, size }) => [key, size]));

    test('can be created again, and keeps what it holds', async () => {
      await storage.save('config', [Buffer.from('settings')]);
      await place.connect().create();
      assert.equal(String(await storage.load('config')), 'settings');
    });

    test('gives back what was saved, in any number of parts, to every client', async () => {
      const large = randomBytes(5_000_000);
      const cases: readonly Uint8Array[][] = [
        [],
        [Buffer.alloc(0)],
        [Buffer.from('x')],
        [Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')],
        [large.subarray(0, 1), large.subarray(1, 4_000_000), large.subarray(4_000_000)],
      ];
      for (const [n, parts] of cases.entries()) {
        await storage.save(keyOf(n), parts);
        const content = Buffer.concat(parts);
        assert.ok((await place.connect().load(keyOf(n))).equals(content), `case ${n}`);
        assert.equal(await place.connect().size(keyOf(n)), content.length);
        assert.equal((await listed('data/')).get(keyOf(n)), content.length);
      }
    });

    const testFirst = place.refusesSecond ? test : () => undefined;
    testFirst('lets one of many save first', async () => {
      const contents = Array.from({ length: 8 }, (_, n) => Buffer.from(`of client ${n}`));
      const saves = await Promise.allSettled(
        contents.map((content) => place.connect().save('lifeboat/first', [content], { isFirst: true })),
      );
      const winners = contents.filter((_, n) => saves[n]!.status === 'fulfilled');
      assert.equal(winners.length, 1);
      for (const save of saves)
        if (save.status === 'rejected')
          assert.ok(hasCode(save.reason, 'storage-exists', 'storage-failed'), String(save.reason));
      assert.ok((await storage.load('lifeboat/first')).equals(winners[0]!));
      const again = storage.save('lifeboat/first', [Buffer.from('x')], { isFirst: true });
      await assert.rejects(again, (error) => hasCode(error, 'storage-exists'));
    });

    test('saves what the buffer held at the call and has no use for it afterwards', async () => {
      const buffer = Buffer.alloc(100_000, 1);
      await storage.save(keyOf(10), [buffer]);
      buffer.fill(2);
      assert.ok((await storage.load(keyOf(10))).every((byte) => byte === 1));
    });

    test('reads ranges, shorter where the object ends', async () => {
      const content = randomBytes(10_000);
      await storage.save(keyOf(11), [content]);
      for (const [offset, length] of [
        [0, 1],
        [0, 10_000],
        [9_999, 1],
        [1234, 4321],
        [9_990, 100],
        [0, 20_000],
        [10_000, 5],
        [20_000, 5],
        [5, 0],
      ] as const) {
        const part = await storage.load(keyOf(11), { offset, length });
        assert.ok(part.equals(content.subarray(offset, offset + length)), `${length} from ${offset}`);
      }
    });

    test('replaces an object as a whole: a reader sees the old one or the new one', async () => {
      const versions = [Buffer.alloc(600_000, 1), Buffer.alloc(300_000, 2)] as const;
      const key = 'lifeboat/replaced';
      await storage.save(key, [versions[0]]);
      let writing = true;
      const readers = [1, 2].map(async () => {
        const client = place.connect();
        for (let reads = 0; writing || reads < 5; reads++) {
          const seen = await client.load(key);
          assert.ok(
            versions.some((version) => version.equals(seen)),
            `${seen.length} bytes that are neither version`,
          );
        }
      });
      for (let n = 1; n <= 20; n++) {
        const version = versions[n % 2]!;
        await storage.save(key, [version.subarray(0, 1000), version.subarray(1000)]);
      }
      writing = false;
      await Promise.all(readers);
    });

    test('shows a new object only when it is whole', async () => {
      const content = randomBytes(3_000_000);
      const key = keyOf(12);
      let saved = false;
      const watcher = (async () => {
        const client = place.connect();
        while (!saved) {
          const size = await client.size(key);
          assert.ok(size === null || size === content.length, `visible with ${size} bytes`);
          for (const entry of await client.list('data/'))
            if (entry.key === key) assert.equal(entry.size, content.length);
        }
      })();
      const parts = Array.from({ length: 300 }, (_, n) => content.subarray(n * 10_000, (n + 1) * 10_000));
      await storage.save(key, parts);
      assert.equal(await place.connect().size(key), content.length, 'visible once the save resolved');
      saved = true;
      await watcher;
    });

    test('takes many saves at once, into old and new folders, and of one key', async () => {
      const count = 200;
      const contents = Array.from({ length: count }, (_, n) => randomBytes(1 + n * 50));
      const clients = [place.connect(), place.connect()];
      await Promise.all(contents.map((bytes, n) => clients[n % 2]!.save(keyOf(1000 + n), [bytes])));
      const sizes = await listed('data/');
      for (const [n, bytes] of contents.entries()) {
        assert.equal(sizes.get(keyOf(1000 + n)), bytes.length);
        assert.ok((await storage.load(keyOf(1000 + n))).equals(bytes));
      }
      const rivals = Array.from({ length: 20 }, (_, n) => Buffer.alloc(50_000, n));
      await Promise.all(rivals.map((bytes, n) => clients[n % 2]!.save('locks/rival', [bytes])));
      const winner = await storage.load('locks/rival');
      assert.ok(rivals.some((bytes) => bytes.equals(winner)));
    });

    test('lists what begins with a prefix, and nothing else', async () => {
      await storage.save('listing/a', [Buffer.from('1')]);
      await storage.save('listing/sub/b', [Buffer.from('22')]);
      await storage.save('listing-not/c', [Buffer.from('333')]);
      assert.deepEqual([...(await listed('listing/'))].sort(), [
        ['listing/a', 1],
        ['listing/sub/b', 2],
      ]);
      assert.deepEqual([...(await listed('absent/'))], []);
      assert.deepEqual([...(await listed('absent/deeper/'))], []);
    });

    test('lists more objects than one page of a listing holds', async () => {
      const names = Array.from({ length: 1100 }, (_, n) => `many/${n}`);
      for (let n = 0; n < names.length; n += 100)
        await Promise.all(names.slice(n, n + 100).map((key) => storage.save(key, [])));
      assert.deepEqual([...(await listed('many/')).keys()].sort(), names.sort());
    });

    test('says storage-missing-file for what is not there', async () => {
      await assert.rejects(storage.load('data/aa/absent'), missing);
      await assert.rejects(storage.load('absent', { offset: 0, length: 10 }), missing);
      if (storage.tellsAbsentRemovals ?? true) await assert.rejects(storage.remove('absent/deeper'), missing);
      else await storage.remove('absent/deeper');
      assert.equal(await storage.size('absent/deeper'), null);
    });

    test('removes an object once, and lets it be saved again', async () => {
      const key = keyOf(13);
      await storage.save(key, [Buffer.from('first')]);
      await storage.remove(key);
      assert.equal(await place.connect().size(key), null);
      assert.ok(!(await listed('data/')).has(key));
      await assert.rejects(storage.load(key), missing);
      if (storage.tellsAbsentRemovals ?? true) await assert.rejects(storage.remove(key), missing);
      else await storage.remove(key);
      await storage.save(key, [Buffer.from('second')]);
      assert.equal(String(await storage.load(key)), 'second');
    });

    test('neither lists nor loads an unfinished save, and can save over it', async (t) => {
      if (!place.leaveUnfinished) return t.skip('leaves nothing behind');
      const key = keyOf(14);
      await place.leaveUnfinished(key);
      assert.ok([...(await listed('data/')).keys()].every((name) => !name.startsWith(key)));
      assert.equal(await storage.size(key), null);
      await assert.rejects(storage.load(key), missing);
      await storage.save(key, [Buffer.from('whole')]);
      assert.equal(String(await storage.load(key)), 'whole');
    });

    for (const key of keysThatAreNone) {
      test(`refuses ${JSON.stringify(key)} as a key`, async () => {
        const refused = (error: unknown): boolean => hasCode(error, 'internal');
        await assert.rejects(storage.save(key, [Buffer.from('x')]), refused);
        await assert.rejects(storage.load(key), refused);
        await assert.rejects(storage.size(key), refused);
        await assert.rejects(storage.remove(key), refused);
        assert.throws(() => storage.localPath(key), refused);
        await assert.rejects(storage.list(`${key}/`), refused);
      });
    }

    test('refuses a prefix without its slash', async () => {
      await assert.rejects(storage.list('data'), (error) => hasCode(error, 'internal'));
    });

    test('has a local path exactly where it has a local file', async () => {
      const path = storage.localPath('config');
      if (path === null) return;
      const { readFile } = await import('node:fs/promises');
      assert.equal(await readFile(path, 'utf8'), 'settings');
    });
  });
}
