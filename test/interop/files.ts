import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { randomOf, seed } from '../random.ts';
import { makeOddFiles } from './odd-files.ts';

/** Cut into several pieces, as the mean is 1 MiB. */
const largeBytes = 5_000_000;

/** A folder with every kind of entry, a file of several chunks, text that compresses, and folders in folders. */
export async function makeFiles(folder: string): Promise<void> {
  const random = randomOf('interop files', seed);
  await makeOddFiles(bytesOfText(join(folder, 'odd')));
  mkdirSync(join(folder, 'data/deep/er'), { recursive: true });
  mkdirSync(join(folder, 'data/empty'));
  writeFileSync(join(folder, 'data/large'), random.bytes(largeBytes));
  writeFileSync(join(folder, 'data/text'), 'the same line again and again\n'.repeat(20_000));
  for (let n = 0; n < 20; n++)
    writeFileSync(join(folder, `data/deep/er/${n}`), random.bytes(random.below(3000)));
}

/** One file grows, one is new, one is gone, and one has only changed its permissions. */
export function changeFiles(folder: string): void {
  appendFileSync(join(folder, 'data/text'), 'and one that is new\n');
  writeFileSync(join(folder, 'data/deep/new'), 'new');
  rmSync(join(folder, 'data/deep/er/3'));
  writeFileSync(join(folder, 'data/deep/er/4'), 'changed', { mode: 0o600 });
}
