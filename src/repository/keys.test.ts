import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { memoryStorage } from '../../test/damage/memory-storage.ts';
import { addCheapKey } from '../../test/repositories/cheap.ts';
import { hasCode } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import { addKey, generateMasterKey, openKey } from './keys.ts';
import { keyOf } from './layout.ts';

const master = generateMasterKey();

describe('a key', () => {
  test('opens with its password, whatever characters it has, and with no other', async () => {
    for (const password of ['', 'plain', 'with spaces ', 'ümläut 🛟', 'x'.repeat(1000)]) {
      const storage = memoryStorage();
      const id = await addCheapKey(storage, master, password);
      assert.deepEqual(await openKey(storage, password), { id, master });
      for (const wrong of [`${password}x`, password.toUpperCase() + password, 'other']) {
        if (wrong === password) continue;
        await assert.rejects(openKey(storage, wrong), (error) => hasCode(error, 'password-wrong'));
      }
    }
  });

  test('costs an attacker about half a second for each guess, and holds the master key', async () => {
    const storage = memoryStorage();
    const id = await addKey(storage, master, 'secret', { username: 'who', hostname: 'where' });
    const file = JSON.parse((await storage.load(keyOf('keys', id))).toString()) as Record<string, unknown>;
    assert.ok((file.N as number) >= 32768 && (file.r as number) >= 8 && (file.p as number) >= 1);
    assert.equal(file.username, 'who');
    assert.equal(file.hostname, 'where');
    assert.ok(!JSON.stringify(file).includes(master.encryption.toString('base64')));
    assert.deepEqual((await openKey(storage, 'secret')).master, master);
  });

  test('is found among others, and first where it is hinted at', async () => {
    const storage = memoryStorage();
    const ids: Id[] = [];
    for (const password of ['one', 'two', 'three']) ids.push(await addCheapKey(storage, master, password));
    for (const [n, password] of ['one', 'two', 'three'].entries()) {
      assert.equal((await openKey(storage, password)).id, ids[n]);
      for (const hint of ids) assert.equal((await openKey(storage, password, hint.slice(0, 8))).id, ids[n]);
    }
    const twice = await addCheapKey(storage, master, 'one');
    assert.equal((await openKey(storage, 'one', twice)).id, twice);
  });

  test('that is damaged does not lock the others out', async () => {
    const storage = memoryStorage();
    const id = await addCheapKey(storage, master, 'right');
    for (const bytes of [Buffer.from('{"kdf":'), Buffer.from('null'), randomBytes(400), Buffer.alloc(0)])
      await storage.save(keyOf('keys', randomBytes(32).toString('hex') as Id), [bytes]);
    assert.equal((await openKey(storage, 'right')).id, id);
    await assert.rejects(openKey(storage, 'wrong'), (error) => {
      assert.ok(hasCode(error, 'password-wrong'));
      assert.match(error.message, /none of the 1 keys .*besides, key file [0-9a-f]{64} is/);
      return true;
    });
  });

  test('that vanishes between being listed and being read is passed over', async () => {
    const storage = memoryStorage();
    const id = await addCheapKey(storage, master, 'right');
    const listing = {
      ...storage,
      list: async (prefix: string) => [
        { key: keyOf('keys', 'ab'.repeat(32) as Id), size: 400 },
        ...(await storage.list(prefix)),
      ],
    };
    assert.equal((await openKey(listing, 'right')).id, id);
  });

  test('whose storage changes what is written is noticed when it is made', async () => {
    const storage = memoryStorage();
    const altering = {
      ...storage,
      save: (key: string, parts: readonly Uint8Array[]) =>
        storage.save(key, [Buffer.concat(parts).subarray(0, 100)]),
    };
    await assert.rejects(addKey(altering, master, 'x'), (error) => hasCode(error, 'storage-failed'));
  });
});
