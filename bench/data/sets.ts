import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { NotMeasured } from '../settings.ts';
import { collect } from './collect.ts';
import type { Recipe } from './data-set.ts';
import { createRandom } from './random.ts';

const mebibyte = 1024 * 1024;

/** (a) Shared libraries of the system and, where these are few, further programs. */
export function libraries(quick: boolean): Recipe {
  const bytesWanted = quick ? 60e6 : 600e6;
  return {
    name: `libraries-${bytesWanted / 1e6}`,
    title: 'shared libraries',
    version: 1,
    spaceBytes: 2 * bytesWanted,
    make(folder) {
      const limits = { filesMax: Number.POSITIVE_INFINITY, bytesMax: bytesWanted };
      const isLibrary = (path: string): boolean => /\.(so|a)(\.[\d.]+)?$/.test(path);
      const collected = collect(folder, ['/usr/lib', '/usr/lib64'], isLibrary, limits);
      const others = (path: string, bytes: number): boolean => bytes >= 256 * 1024 && !isLibrary(path);
      collect(folder, ['/usr/lib', '/usr/bin', '/opt', '/usr/local'], others, limits, collected);
      if (collected.bytes < bytesWanted)
        throw new NotMeasured(
          `this system has only ${Math.round(collected.bytes / 1e6)} MB of libraries and programs`,
        );
      return collected;
    },
  };
}

const words = [
  'archive backup between blob chunk compress content cover daily data directory durable encrypt every file',
  'forget format hash index interval key list lock machine merge pack parse plan point policy prune query read',
  'record recover region repair repository restore retain return rotate sample schedule server set size snapshot',
  'source state storage stream system table target test time tree update user value verify version volume write',
].flatMap((line) => line.split(' '));

function textOf(seed: number): string {
  const random = createRandom(seed);
  const lines: string[] = [];
  for (let line = 4 + random.below(240); line > 0; line--) {
    const indent = ' '.repeat(2 * random.below(4));
    const picked = Array.from({ length: 3 + random.below(9) }, () => words[random.below(words.length)]);
    lines.push(`${indent}${picked.join(' ')} ${random.below(100_000)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** (b) Many small files of the system, and texts where these are too few. */
export function smallFiles(quick: boolean): Recipe {
  const filesWanted = quick ? 4_000 : 60_000;
  return {
    name: `small-files-${filesWanted}`,
    title: 'small files',
    version: 1,
    spaceBytes: filesWanted * 32 * 1024,
    make(folder) {
      const roots = ['/usr/share', '/usr/include', '/usr/lib', '/usr/src', '/opt', '/usr/local'];
      const limits = { filesMax: filesWanted, bytesMax: Number.POSITIVE_INFINITY };
      const collected = collect(folder, roots, (_, bytes) => bytes > 0 && bytes < 64 * 1024, limits);
      for (; collected.files < filesWanted; collected.files++) {
        const parent = join(folder, 'texts', String(collected.files >> 6));
        mkdirSync(parent, { recursive: true });
        const text = textOf(collected.files);
        writeFileSync(join(parent, `${collected.files}.txt`), text);
        collected.bytes += text.length;
      }
      return collected;
    },
  };
}

function writeRandom(path: string, bytes: number, seed: number, holeBytes = 0): void {
  const random = createRandom(seed);
  const piece = Buffer.allocUnsafe(4 * mebibyte);
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes; at += piece.length + holeBytes)
      writeSync(file, random.fill(piece), 0, piece.length, at);
    ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

/** (d) A few large files that cannot be compressed. */
export function incompressible(quick: boolean): Recipe {
  const fileBytes = (quick ? 32 : 512) * mebibyte;
  const files = 4;
  return {
    name: `incompressible-${files}x${fileBytes / mebibyte}`,
    title: 'incompressible files',
    version: 1,
    spaceBytes: 2.5 * files * fileBytes,
    make(folder) {
      for (let i = 0; i < files; i++) writeRandom(join(folder, `random-${i}.bin`), fileBytes, 1000 + i);
      return { files, bytes: files * fileBytes };
    },
  };
}

/** (e) One file, half of it holes. */
export function largeFile(quick: boolean): Recipe {
  const bytes = (quick ? 256 : 4096) * mebibyte;
  return {
    name: `large-file-${bytes / mebibyte}`,
    title: 'one large file with holes',
    version: 1,
    spaceBytes: 1.5 * bytes,
    make(folder) {
      writeRandom(join(folder, 'large.bin'), bytes, 2000, 4 * mebibyte);
      return { files: 1, bytes };
    },
  };
}
