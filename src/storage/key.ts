import { LifeboatError } from '../core/errors.ts';

/** Printable ASCII but backslash, which a Windows share would take for a separator. */
const printable = /^[\x20-\x5b\x5d-\x7e]+$/;

function problemOf(key: string): string | null {
  if (key === '') return 'is empty';
  if (!printable.test(key)) return 'holds characters that no key has';
  if (key.startsWith('/')) return 'is absolute';
  const parts = key.split('/');
  if (parts.includes('..') || parts.includes('.')) return 'points elsewhere';
  return parts.includes('') ? 'has an empty part' : null;
}

/**
 * Refuses what is no key, so that no defect elsewhere can reach a file outside the storage.
 * @throws LifeboatError `internal`.
 */
export function checkKey(key: string): void {
  const problem = problemOf(key);
  if (problem) throw new LifeboatError('internal', `the storage key ${JSON.stringify(key)} ${problem}`);
}

/** As `checkKey` for what `list` takes: a key and a slash. */
export function checkPrefix(prefix: string): void {
  if (!prefix.endsWith('/'))
    throw new LifeboatError('internal', `the prefix ${JSON.stringify(prefix)} does not end in a slash`);
  checkKey(prefix.slice(0, -1));
}
