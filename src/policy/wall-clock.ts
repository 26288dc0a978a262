import type { Rfc3339 } from '../model/node.ts';
import type { Instant } from '../model/time.ts';
import { localOffsetMinutes, parseTime } from '../model/time.ts';
import type { CalendarDuration } from './calendar-duration.ts';

/** What the clock and the calendar on the wall showed where a time was written down. */
export interface WallClock {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
}

/** The wall clock of a time in the zone that it is written in. */
export function wallClockOf(time: Rfc3339): WallClock {
  return {
    year: Number(time.slice(0, 4)),
    month: Number(time.slice(5, 7)),
    day: Number(time.slice(8, 10)),
    hour: Number(time.slice(11, 13)),
  };
}

const msOfDay = 86_400_000;

/** Milliseconds since 1970 of a date as if it were UTC; months and days out of range carry over, as in Go. */
function utcMs(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime();
}

/** The year and the number of a week, by ISO 8601: the week belongs to the year that its Thursday is in. */
export function isoWeek({ year, month, day }: WallClock): { readonly year: number; readonly week: number } {
  const ms = utcMs(year, month, day);
  const weekday = (new Date(ms).getUTCDay() + 6) % 7;
  const thursday = new Date(ms + (3 - weekday) * msOfDay);
  const weekYear = thursday.getUTCFullYear();
  const dayOfYear = Math.round((thursday.getTime() - utcMs(weekYear, 1, 1)) / msOfDay);
  return { year: weekYear, week: Math.floor(dayOfYear / 7) + 1 };
}

function offsetMinutesOf(time: Rfc3339): number {
  const match = /([+-])(\d\d):(\d\d)$/.exec(time);
  if (match === null) return 0;
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return match[1] === '-' ? -minutes : minutes;
}

/**
 * The instant so many calendar units before a time: years, months and days are taken off on the wall, where
 * a day that does not exist carries over (31 March less a month is 3 March), then the hours are taken off as
 * they pass. Where the time is written with this machine's offset, the machine's zone says what the offset
 * was then; else the offset stays (Go's time.AddDate and time.Parse).
 *
 * @param offsetAt the offset of the machine's zone in minutes, at seconds since 1970
 */
export function instantBefore(
  time: Rfc3339,
  duration: CalendarDuration,
  offsetAt: (seconds: number) => number = localOffsetMinutes,
): Instant {
  const { seconds, nanoseconds } = parseTime(time);
  const written = offsetMinutesOf(time);
  const wall = seconds + written * 60;
  const secondOfDay = ((wall % 86_400) + 86_400) % 86_400;
  const { year, month, day } = wallClockOf(time);
  const wallThen =
    utcMs(year - duration.years, month - duration.months, day - duration.days) / 1000 + secondOfDay;
  const isLocal = !/[Zz]$/.test(time) && offsetAt(seconds) === written;
  const offset = isLocal ? offsetAtWall(wallThen, offsetAt) : written;
  return { seconds: wallThen - offset * 60 - duration.hours * 3600, nanoseconds };
}

/** The offset when the wall shows this; at a change of the clock one of the two, chosen as Go's time.Date does. */
function offsetAtWall(wall: number, offsetAt: (seconds: number) => number): number {
  const guess = offsetAt(wall);
  return guess === 0 ? 0 : offsetAt(wall - guess * 60);
}
