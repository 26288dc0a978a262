/** Parsers of option values. Each throws an Error whose message says what was expected. */

const msByUnit: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it (`300ms`, `5m`, `1h30m`, `0`), in milliseconds. */
export function parseDurationMs(text: string): number {
  const expected = 'expected a duration such as 30s, 5m or 1h30m';
  if (text === '0') return 0;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) throw new Error(expected);
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    ms += Number(number) * (msByUnit[unit ?? ''] ?? Number.NaN);
  }
  return ms;
}

/** A whole number from `min` to `max`, both included. */
export function parseWholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
    return number;
  };
}

/** One of these words. */
export function parseChoice<const T extends string>(...choices: readonly T[]): (text: string) => T {
  return (text) => {
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw new Error(`expected one of ${choices.join(', ')}`);
    return chosen;
  };
}

/** `5%`, `1.5%`, as a fraction of one. */
export function parsePercent(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (match === null) throw new Error('expected a percentage such as 5%');
  return Number(match[1]) / 100;
}

/** `key=value`; the key in lower case, as restic takes it. */
export function parseKeyValue(text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=');
  const key = text.slice(0, at).trim().toLowerCase();
  if (at < 0 || key === '') throw new Error('expected KEY=VALUE');
  return [key, text.slice(at + 1).trim()];
}

/** `HOST:PORT`, `:PORT` for all addresses, `[::1]:PORT`. */
export function parseListenAddress(text: string): { readonly host: string | null; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]*)):(\d+)$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  if (!match || !(port <= 65_535)) throw new Error('expected an address such as :8000 or 127.0.0.1:8000');
  return { host: match[1] ?? (match[2] || null), port };
}
