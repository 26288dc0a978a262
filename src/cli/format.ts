/** How figures are printed, as restic prints them (internal/ui/format.go). */

const binaryUnits = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `512 B`, `1.500 KiB`, `2.000 TiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.floor(bytes)} B`;
  let scaled = bytes / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < binaryUnits.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${scaled.toFixed(3)} ${binaryUnits[unit]}`;
}

/** Two decimals and at most 100.00%; empty when there is no whole to take a part of. */
export function formatPercent(part: number, whole: number): string {
  return whole === 0 ? '' : `${Math.min(100, (100 * part) / whole).toFixed(2)}%`;
}

/** `m:ss`, or `h:mm:ss` from one hour on; fractions of a second are dropped. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const pad = (part: number): string => String(part).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = pad(seconds % 60);
  return hours > 0 ? `${hours}:${pad(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** `12.345 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `2026-03-01 14:05:09` in the local time zone, restic's format for times. */
export function formatLocalTime(rfc3339: string): string {
  const date = new Date(rfc3339);
  if (Number.isNaN(date.getTime())) return rfc3339;
  const pad = (part: number): string => String(part).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `2026-03-01 14:05:09.123+01`, local time with its zone: as PostgreSQL and `restore --to` take it. */
export function formatZonedTime(ms: number, withFraction = true): string {
  const date = new Date(ms);
  const pad = (part: number, digits = 2): string => String(part).padStart(digits, '0');
  const east = -date.getTimezoneOffset();
  const hours = pad(Math.floor(Math.abs(east) / 60));
  const minutes = Math.abs(east) % 60;
  const zone = `${east < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `:${pad(minutes)}`}`;
  const fraction = withFraction ? `.${pad(date.getMilliseconds(), 3)}` : '';
  return `${formatLocalTime(date.toISOString())}${fraction}${zone}`;
}

/** `1 snapshot`, `2 snapshots`. */
export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
