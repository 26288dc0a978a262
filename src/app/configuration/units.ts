/** Durations and sizes as the configuration file writes them: a number is never without its unit. */

const msByUnit: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

export const durationPattern = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+$/;
export const durationExpected = 'a duration with its unit, such as 5s, 15m, 4h or 30d';

/** Milliseconds of a text that fits `durationPattern`, such as `1h30m`. */
export function durationMs(text: string): number {
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) ms += Number(number) * msByUnit[unit!]!;
  return ms;
}

/** The shortest way to write a whole number of milliseconds: `5s`, `1500ms`, `30d`. */
export function formatDurationMs(ms: number): string {
  const units = Object.entries(msByUnit).reverse();
  const [unit, size] = units.find(([name, each]) => name !== 'w' && ms > 0 && ms % each === 0) ?? ['ms', 1];
  return ms === 0 ? '0s' : `${ms / size}${unit}`;
}

const bytesByUnit: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

export const sizePattern = /^\d+(?:B|[KMGT](?:iB)?)$/i;
export const sizeExpected = 'a size with its unit, such as 512KiB, 16MiB or 1G (1G is 1GiB)';

/** Bytes of a text that fits `sizePattern`; units are powers of 1024. */
export function sizeBytes(text: string): number {
  const [, number, unit] = /^(\d+)([a-z])/i.exec(text)!;
  return Number(number) * bytesByUnit[unit!.toLowerCase()]!;
}

/** `16MiB`; bytes that are no whole number of a unit as `1234B`. */
export function formatSize(bytes: number): string {
  const units = ['t', 'g', 'm', 'k'];
  const unit = units.find((name) => bytes > 0 && bytes % bytesByUnit[name]! === 0);
  return unit ? `${bytes / bytesByUnit[unit]!}${unit.toUpperCase()}iB` : `${bytes}B`;
}
