import { posix } from 'node:path';

/** What all keys of a repository begin with, as restic cleans it: no slashes at its ends. Null where it points out. */
export function cleanPrefix(given: string): string | null {
  if (given === '') return '';
  const prefix = posix.normalize(given).replace(/^\/+|\/+$/g, '');
  if (prefix === '.') return '';
  return prefix.split('/').includes('..') ? null : prefix;
}
