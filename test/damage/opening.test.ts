import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { LifeboatError } from '../../src/core/errors.ts';
import { parseConfig } from '../../src/repository/config.ts';
import { parseIndex } from '../../src/repository/index/codec.ts';
import { acquireLock } from '../../src/repository/lock.ts';
import { openRepository } from '../../src/repository/repository.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { idOf } from './forge.ts';
import { type MemoryStorage, memoryStorage } from './memory-storage.ts';

/** Asserts that opening ends with this code, exit status and message. */
async function assertRefused(
  storage: Storage,
  code: string,
  exitStatus: number,
  message: RegExp,
  password = testPassword,
): Promise<void> {
  await assert.rejects(openRepository(storage, password), (error) => {
    assert.ok(error instanceof LifeboatError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.exitStatus, exitStatus);
    assert.match(error.message, message);
    assert.ok(!error.message.includes(password), 'a password is in a message');
    return true;
  });
}

async function sound(): Promise<MemoryStorage> {
  const storage = memoryStorage();
  await createCheapRepository(storage);
  return storage;
}

/** Replaces the key file by one with other fields, under the name that its hash gives. */
async function withKey(change: Record<string, unknown>): Promise<MemoryStorage> {
  const storage = await sound();
  const [name] = [...storage.objects.keys()].filter((key) => key.startsWith('keys/'));
  const key = { ...JSON.parse(storage.objects.get(name!)!.toString()), ...change };
  storage.objects.delete(name!);
  const bytes = Buffer.from(JSON.stringify(key));
  storage.objects.set(`keys/${idOf(bytes)}`, bytes);
  return storage;
}

describe('opening', () => {
  test('a place without a repository ends with status 10', () =>
    assertRefused(memoryStorage(), 'repository-missing', 10, /no repository at memory/));

  test('a folder of something else ends with status 10', () =>
    assertRefused(
      memoryStorage(new Map([['photos/cat.jpg', randomBytes(100)]])),
      'repository-missing',
      10,
      /no repository/,
    ));

  test('a folder with a config of another program says what is missing', () =>
    assertRefused(
      memoryStorage(new Map([['config', Buffer.from('[core]\n\tbare = true\n')]])),
      'repository-damaged',
      1,
      /has no key files/,
    ));

  test('a repository that lost its config says so', async () => {
    const storage = await sound();
    storage.objects.delete('config');
    await assertRefused(storage, 'repository-damaged', 1, /has keys but its config file is missing/);
  });

  test('with a wrong password ends with status 12', async () =>
    assertRefused(await sound(), 'password-wrong', 12, /wrong password/, 'not the password'));

  test('a repository of a newer version says so', async () => {
    const storage = memoryStorage();
    const { files } = await createCheapRepository(storage);
    await storage.remove('config');
    await files.saveFirstConfig(
      Buffer.from(`{"version":3,"id":"${'ab'.repeat(32)}","chunker_polynomial":"3da3358b4dc173"}`),
    );
    await assertRefused(storage, 'repository-version', 1, /has format version 3/);
  });

  const absurdKeys: Readonly<Record<string, readonly [change: Record<string, unknown>, message: RegExp]>> = {
    'that asks for terabytes of memory': [{ N: 2 ** 40, r: 8 }, /asks for \d+ GiB of memory|invalid scrypt/],
    'with an N that is no power of two': [{ N: 12345 }, /invalid scrypt parameters/],
    'with a negative N': [{ N: -2 }, /invalid scrypt parameters/],
    'with an absurd r': [{ r: 2 ** 30, N: 32768 }, /asks for \d+ GiB of memory/],
    'with an absurd p': [{ p: 2 ** 30 }, /invalid scrypt parameters/],
    'with text for a number': [{ N: '32768' }, /invalid scrypt parameters/],
    'with another key derivation': [{ kdf: 'rot13' }, /uses the key derivation "rot13"/],
    'with a short salt': [{ salt: 'AAAA' }, /salt of the wrong length/],
    'without data': [{ data: null }, /no salt or no data/],
  };
  for (const [what, [change, message]] of Object.entries(absurdKeys)) {
    test(`a key ${what} is refused at once`, async () => {
      const startMs = performance.now();
      await assertRefused(await withKey(change), 'repository-damaged', 1, message);
      assert.ok(performance.now() - startMs < 2000);
    });
  }

  test('a locked repository ends with status 11', async () => {
    const storage = await sound();
    const repository = await openRepository(storage, testPassword);
    const lock = await acquireLock(repository, { exclusive: true });
    try {
      await assert.rejects(acquireLock(repository, { exclusive: false }), (error) => {
        assert.ok(error instanceof LifeboatError);
        return error.code === 'repository-locked' && error.exitStatus === 11;
      });
    } finally {
      await lock.release();
    }
  });

  test('a lock that nobody can read ends with status 11', async () => {
    const storage = await sound();
    const bytes = randomBytes(200);
    storage.objects.set(`locks/${idOf(bytes)}`, bytes);
    const repository = await openRepository(storage, testPassword);
    await assert.rejects(acquireLock(repository, { exclusive: true }), (error) => {
      assert.ok(error instanceof LifeboatError);
      return error.code === 'lock-invalid' && error.exitStatus === 11;
    });
  });
});

describe('a config', () => {
  const good = { version: 2, id: 'ab'.repeat(32), chunker_polynomial: '3da3358b4dc173' };
  const bad: Readonly<Record<string, unknown>> = {
    'without a version': { ...good, version: undefined },
    'with version 0': { ...good, version: 0 },
    'without an ID': { ...good, id: undefined },
    'with a short ID': { ...good, id: 'abcd' },
    'without a polynomial': { ...good, chunker_polynomial: undefined },
    'with a polynomial that can be factored': { ...good, chunker_polynomial: '20000000000000' },
    'with a polynomial of another degree': { ...good, chunker_polynomial: '7' },
    'that is a list': [],
    'that is null': null,
  };
  for (const [what, value] of Object.entries(bad)) {
    test(`${what} is refused as damaged`, () => {
      assert.throws(
        () => parseConfig(Buffer.from(JSON.stringify(value)), 'memory'),
        (error) => error instanceof LifeboatError && error.code === 'repository-damaged',
      );
    });
  }
});

describe('an index file', () => {
  const id = 'ab'.repeat(32);
  const blob = { id, type: 'data', offset: 0, length: 40 };
  const withBlob = (change: Record<string, unknown>): unknown => ({
    packs: [{ id, blobs: [{ ...blob, ...change }] }],
  });
  const bad: Readonly<Record<string, unknown>> = {
    'that is null': null,
    'that is a number': 7,
    'with packs that are no list': { packs: 7 },
    'with a pack that is null': { packs: [null] },
    'with a pack without an ID': { packs: [{ blobs: [] }] },
    'with blobs that are no list': { packs: [{ id, blobs: 'many' }] },
    'with a blob that is null': { packs: [{ id, blobs: [null] }] },
    'with a blob without an ID': withBlob({ id: 'x' }),
    'with a blob of an unknown type': withBlob({ type: 'soul' }),
    'with a negative offset': withBlob({ offset: -1 }),
    'with an offset beyond 32 bits': withBlob({ offset: 2 ** 32 }),
    'with half a byte': withBlob({ length: 1.5 }),
    'with an absurd size': withBlob({ uncompressed_length: 1e300 }),
  };
  for (const [what, value] of Object.entries(bad)) {
    test(`${what} is refused as damaged`, () => {
      assert.throws(
        () => parseIndex(Buffer.from(JSON.stringify(value)), 'x'),
        (error) => error instanceof LifeboatError && error.code === 'repository-damaged',
      );
    });
  }

  test('without packs, or with null for a list as Go writes it, is an empty one', () => {
    assert.deepEqual(parseIndex(Buffer.from('{"packs":null}'), 'x'), []);
    assert.deepEqual(parseIndex(Buffer.from(`{"packs":[{"id":"${id}","blobs":null}]}`), 'x'), [
      { id, blobs: [] },
    ]);
  });
});
