const multipliers: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/**
 * A size in bytes: a whole number with one of the suffixes b, k, m, g and t, in either case, for powers of
 * 1024 (restic internal/ui/format.go).
 *
 * @throws Error saying what was expected.
 */
export function parseSize(text: string): number {
  const match = /^\+?(\d+)([bkmgt]?)$/i.exec(text);
  if (match === null) throw new Error('expected a size such as 500k, 10M or 2G');
  const bytes = Number(match[1]) * (multipliers[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
  if (bytes >= 2 ** 63) throw new Error('expected a size below 8 EiB');
  return bytes;
}
