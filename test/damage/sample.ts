import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSealer } from '../../src/repository/crypto.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { unpackedFiles } from '../../src/repository/unpacked.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { randomOf } from '../random.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type MemoryStorage, memoryStorage } from './memory-storage.ts';

const folders = ['a', 'a/deep', 'a/deep/er', 'b', 'c'];
const filesPerFolder = 5;
const fileBytesMax = 12_000;

export interface Sample {
  readonly storage: MemoryStorage;
  /** The repository, opened, on any storage that holds its files. */
  on(storage: Storage): Repository;
}

/** A repository of a few packs with three snapshots of a folder that changed in between. */
export async function makeSample(name: string, version: 1 | 2 = 2): Promise<Sample> {
  const random = randomOf(name);
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-damage-'));
  try {
    const storage = memoryStorage();
    const repository = await createCheapRepository(storage, { version });
    for (const path of folders) mkdirSync(join(folder, path), { recursive: true });
    for (let generation = 0; generation < 3; generation++) {
      for (const path of folders) {
        for (let n = 0; n < filesPerFolder; n++) {
          if (generation > 0 && random.below(4) > 0) continue;
          const bytes = random.bytes(random.below(fileBytesMax));
          const content = random.below(2) === 0 ? bytes : Buffer.from(bytes.toString('hex'));
          writeFileSync(join(folder, path, `file ${n}`), content);
        }
      }
      await backUp(repository, folder, { timeMs: Date.UTC(2026, 0, 1 + generation) });
    }
    return { storage, on: (other) => onStorage(repository, other) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function onStorage({ config, master, keyId }: Repository, storage: Storage): Repository {
  const sealer = createSealer(master);
  return {
    storage,
    config,
    master,
    keyId,
    sealer,
    files: unpackedFiles(storage, sealer, () => config.version),
  };
}
