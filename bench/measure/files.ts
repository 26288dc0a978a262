import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** Visits every regular file below a folder, without following links. Folders are visited in order of name. */
export function visitFiles(folder: string, visit: (path: string, bytes: number) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) visitFiles(path, visit);
    else if (entry.isFile()) visit(path, lstatSync(path).size);
  }
}

/** Bytes of all files below a folder. */
export function bytesBelow(folder: string): number {
  let total = 0;
  visitFiles(folder, (_, bytes) => {
    total += bytes;
  });
  return total;
}

/** Reads all files once, so that every program finds them in the page cache. */
export function warm(folder: string): void {
  const buffer = Buffer.allocUnsafe(4 * 1024 * 1024);
  visitFiles(folder, (path) => {
    const file = openSync(path, 'r');
    try {
      while (readSync(file, buffer) > 0);
    } finally {
      closeSync(file);
    }
  });
}
