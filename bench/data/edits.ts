import { closeSync, openSync, writeSync } from 'node:fs';
import { visitFiles } from '../measure/files.ts';
import { createRandom } from './random.ts';

const kibibyte = 1024;
const editBytesMin = 4 * kibibyte;
const editBytesMax = 64 * kibibyte;

/**
 * Overwrites a share of all bytes below a folder, in pieces of 4 to 64 KiB at random places; large files get
 * more of them. @returns the bytes written.
 */
export function editBytes(folder: string, share: number, seed: number): number {
  const random = createRandom(seed);
  const files: { readonly path: string; readonly start: number; readonly bytes: number }[] = [];
  let total = 0;
  visitFiles(folder, (path, bytes) => {
    if (bytes === 0) return;
    files.push({ path, start: total, bytes });
    total += bytes;
  });
  let edited = 0;
  while (edited < total * share) {
    const place = random.below(total);
    const { path, start, bytes } = files.findLast((file) => file.start <= place)!;
    const length = editBytesMin + 4 * random.below((editBytesMax - editBytesMin) / 4);
    const piece = random.fill(Buffer.alloc(Math.min(length, bytes - (place - start))));
    const file = openSync(path, 'r+');
    try {
      writeSync(file, piece, 0, piece.length, place - start);
    } finally {
      closeSync(file);
    }
    edited += piece.length;
  }
  return edited;
}
