import { type Instant, localOffsetMinutes } from '../../model/time.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const clock =
  '(?<hour>\\d{2}):(?<minute>\\d{2})(?::(?<second>\\d{2})(?:[.,](?<fraction>\\d{1,9}))?(?: (?<zone>[+-]\\d{4}|UTC|GMT))?)?';
const shapes = [
  new RegExp(`^(?<year>\\d{4})-(?<month>\\d{2})-(?<day>\\d{2})(?: ${clock})?$`),
  new RegExp(`^(?<day>\\d{2})\\.(?<month>\\d{2})\\.(?<year>\\d{4})(?: ${clock})?$`),
  /^[A-Z][a-z]{2} (?<name>[A-Z][a-z]{2}) +(?<day>\d{1,2}) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) (?<zone>[+-]\d{4}) [A-Z]+ (?<year>\d{4})$/,
];

/**
 * Reads a time as `find --oldest` and `--newest` take it: `2026-03-01`, `2026-03-01 14:05`, with seconds,
 * with a zone (`+0100`, `UTC`), or the date as `01.03.2026`; without a zone in this machine's own.
 *
 * @throws Error saying what was expected.
 */
export function parseTimeLimit(text: string): Instant {
  for (const shape of shapes) {
    const groups = shape.exec(text)?.groups;
    const instant = groups ? instantOf(groups) : null;
    if (instant !== null) return instant;
  }
  throw new Error('expected a time such as 2026-03-01 or "2026-03-01 14:05:09"');
}

function instantOf(groups: Readonly<Record<string, string | undefined>>): Instant | null {
  const part = (name: string): number => Number(groups[name] ?? 0);
  const month =
    groups.name === undefined ? part('month') : (months as readonly string[]).indexOf(groups.name) + 1;
  const [year, day, hour, minute, second] = ['year', 'day', 'hour', 'minute', 'second'].map(part) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const exists = month >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!exists || hour > 23 || minute > 59 || second > 59) return null;
  const wall = date.getTime() / 1000 + hour * 3600 + minute * 60 + second;
  const nanoseconds = Number((groups.fraction ?? '').padEnd(9, '0'));
  return { seconds: wall - offsetMinutesOf(groups.zone, wall) * 60, nanoseconds };
}

function offsetMinutesOf(zone: string | undefined, wall: number): number {
  if (zone === undefined) return localOffsetMinutes(wall - localOffsetMinutes(wall) * 60);
  if (!/\d/.test(zone)) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3));
  return zone.startsWith('-') ? -minutes : minutes;
}
