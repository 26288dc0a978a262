import { createHash, randomBytes, scryptSync } from 'node:crypto';
import type { Id } from '../../src/model/id.ts';
import { encodeConfig, newConfig } from '../../src/repository/config.ts';
import { createSealer, type MasterKey } from '../../src/repository/crypto.ts';
import { generateMasterKey } from '../../src/repository/keys.ts';
import { keyOf } from '../../src/repository/layout.ts';
import { type CreateOptions, openRepository, type Repository } from '../../src/repository/repository.ts';
import { unpackedFiles } from '../../src/repository/unpacked.ts';
import type { Storage } from '../../src/storage/storage.ts';

/**
 * Repositories whose passwords cost next to nothing to try, so that a test can open one a thousand times.
 * Real ones cost half a second of scrypt; only tests may do this.
 */
const cost = { N: 2, r: 8, p: 1 };

export const testPassword = 'test';

/** Stores a key file that a password opens at once. */
export async function addCheapKey(storage: Storage, master: MasterKey, password = testPassword): Promise<Id> {
  const salt = randomBytes(64);
  const derived = scryptSync(password, salt, 64, cost);
  const sealer = createSealer({
    encryption: derived.subarray(0, 32),
    macK: derived.subarray(32, 48),
    macR: derived.subarray(48, 64),
  });
  const mac = { k: master.macK.toString('base64'), r: master.macR.toString('base64') };
  const data = sealer.seal(
    Buffer.from(JSON.stringify({ mac, encrypt: master.encryption.toString('base64') })),
  );
  const file = Buffer.from(
    JSON.stringify({
      created: '2026-01-02T03:04:05Z',
      username: 'test',
      hostname: 'test',
      kdf: 'scrypt',
      ...cost,
      salt: salt.toString('base64'),
      data: data.toString('base64'),
    }),
  );
  const id = createHash('sha256').update(file).digest('hex') as Id;
  await storage.save(keyOf('keys', id), [file]);
  return id;
}

/** As `createRepository`, with a cheap key. */
export async function createCheapRepository(
  storage: Storage,
  options: CreateOptions = {},
): Promise<Repository> {
  await storage.create();
  const master = generateMasterKey();
  await addCheapKey(storage, master);
  const config = newConfig(options.version ?? 2, options.chunkerPolynomial);
  await unpackedFiles(storage, createSealer(master), () => config.version).saveFirstConfig(
    encodeConfig(config),
  );
  return openRepository(storage, testPassword);
}
