/** A span of calendar units, as in `1y5m7d2h` (restic internal/data/duration.go). */
export interface CalendarDuration {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

export const noDuration: CalendarDuration = { years: 0, months: 0, days: 0, hours: 0 };

const unitNames = { y: 'years', m: 'months', d: 'days', h: 'hours' } as const;

/**
 * Reads `1y5m7d2h`, in any order, each number with an optional minus; a unit given twice counts once, the
 * last time.
 *
 * @throws Error saying what was expected.
 */
export function parseCalendarDuration(text: string): CalendarDuration {
  const trimmed = text.trim();
  if (!/^(?:-?\d+[ymdh])*$/.test(trimmed)) throw new Error('expected a duration such as 1y5m7d2h');
  const duration: { -readonly [K in keyof CalendarDuration]: number } = { ...noDuration };
  for (const [, number, unit] of trimmed.matchAll(/(-?\d+)([ymdh])/g)) {
    duration[unitNames[unit as keyof typeof unitNames]] = Number(number);
  }
  return duration;
}

/** As `parseCalendarDuration`, for --keep-within and its like, where nothing may be negative. */
export function parseKeepWithin(text: string): CalendarDuration {
  const duration = parseCalendarDuration(text);
  if (Object.values(duration).some((number) => number < 0))
    throw new Error('expected a duration without minus signs');
  return duration;
}

/** `1y5m7d2h`; empty for no duration at all. */
export function formatCalendarDuration({ years, months, days, hours }: CalendarDuration): string {
  const part = (number: number, unit: string): string => (number === 0 ? '' : `${number}${unit}`);
  return part(years, 'y') + part(months, 'm') + part(days, 'd') + part(hours, 'h');
}

export function isNoDuration(duration: CalendarDuration): boolean {
  return formatCalendarDuration(duration) === '';
}
