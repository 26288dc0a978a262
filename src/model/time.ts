import { LifeboatError } from '../core/errors.ts';
import type { Rfc3339 } from './node.ts';

/**
 * Times as trees and snapshots hold them: RFC 3339 with the zone's offset, up to nine digits of fraction with
 * trailing zeros trimmed (Go's time.RFC3339Nano), years 0 to 9999 (restic internal/data/node.go, fixTime).
 */

export interface Instant {
  /** Whole seconds since 1970 in UTC; may be negative. */
  readonly seconds: number;
  /** 0 to 999,999,999, counted forward from `seconds`. */
  readonly nanoseconds: number;
}

const secondsOfDay = 86_400;
const daysCachedMax = 4096;
const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));

/** Days since 1970 of a date of the proleptic Gregorian calendar; month from 1. */
function daysOfDate(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** `YYYY-MM-DDT` of a day since 1970, its year held between 0 and 9999. */
function dateText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  let day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  if (year > 9999 && month === 2 && day === 29) {
    month = 3;
    day = 1;
  }
  year = Math.min(Math.max(year, 0), 9999);
  return `${String(year).padStart(4, '0')}-${two[month]}-${two[day]}T`;
}

const dates = new Map<number, string>();
let lastDays = Number.NaN;
let lastDate = '';

function dateOf(days: number): string {
  if (days === lastDays) return lastDate;
  let text = dates.get(days);
  if (text === undefined) {
    text = dateText(days);
    if (dates.size >= daysCachedMax) dates.clear();
    dates.set(days, text);
  }
  lastDays = days;
  lastDate = text;
  return text;
}

function fractionText(nanoseconds: number): string {
  if (nanoseconds === 0) return '';
  const digits = String(1_000_000_000 + nanoseconds);
  let end = 10;
  while (digits.charCodeAt(end - 1) === 0x30) end--;
  return `.${digits.slice(1, end)}`;
}

let lastOffset = 0;
let lastZone = 'Z';

function zoneText(offsetMinutes: number): string {
  if (offsetMinutes === lastOffset) return lastZone;
  const minutes = Math.trunc(Math.abs(offsetMinutes));
  const hours = Math.floor(minutes / 60);
  lastZone =
    offsetMinutes === 0 ? 'Z' : `${offsetMinutes < 0 ? '-' : '+'}${two[hours]}:${two[minutes - hours * 60]}`;
  lastOffset = offsetMinutes;
  return lastZone;
}

/** Zones change their offset at quarters of an hour. */
const offsetSpanSeconds = 900;
const offsetsCachedMax = 16_384;
/** Beyond this a JavaScript Date has no value. */
const dateSecondsMax = 8.64e12;
const offsets = new Map<number, number>();
let lastSpan = Number.NaN;
let lastSpanOffset = 0;

function computeOffset(seconds: number): number {
  const date = new Date(Math.min(Math.max(seconds, -dateSecondsMax), dateSecondsMax) * 1000);
  const days = daysOfDate(date.getFullYear(), date.getMonth() + 1, date.getDate());
  const local = days * secondsOfDay + date.getHours() * 3600 + date.getMinutes() * 60 + date.getSeconds();
  return (local - Math.floor(date.getTime() / 1000)) / 60;
}

/** Offset of this machine's zone at an instant, in minutes, east positive (Go's time.Local). */
export function localOffsetMinutes(seconds: number): number {
  const span = Math.floor(seconds / offsetSpanSeconds);
  if (span === lastSpan) return lastSpanOffset;
  let offset = offsets.get(span);
  if (offset === undefined) {
    offset = computeOffset(span * offsetSpanSeconds);
    if (offsets.size >= offsetsCachedMax) offsets.clear();
    offsets.set(span, offset);
  }
  lastSpan = span;
  lastSpanOffset = offset;
  return offset;
}

/**
 * RFC 3339 as restic writes it.
 * @param seconds since 1970 in UTC.
 * @param nanoseconds 0 to 999,999,999.
 * @param offsetMinutes of the zone to write, east positive; may have a fraction (zones before standard time).
 *   Without it the machine's own zone, as restic writes.
 */
export function formatTime(
  seconds: number | bigint,
  nanoseconds: number,
  offsetMinutes = localOffsetMinutes(Number(seconds)),
): Rfc3339 {
  const local = Number(seconds) + Math.round(offsetMinutes * 60);
  const days = Math.floor(local / secondsOfDay);
  const second = local - days * secondsOfDay;
  const minute = Math.floor(second / 60);
  const hour = Math.floor(minute / 60);
  const clock = `${two[hour]}:${two[minute - hour * 60]}:${two[second - minute * 60]}`;
  return dateOf(days) + clock + fractionText(nanoseconds) + zoneText(offsetMinutes);
}

/** RFC 3339 of a count of milliseconds since 1970 (Date.now()), in this machine's zone. */
export function formatMilliseconds(milliseconds: number): Rfc3339 {
  const seconds = Math.floor(milliseconds / 1000);
  return formatTime(seconds, Math.round((milliseconds - seconds * 1000) * 1e6) % 1e9);
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * The instant that a time of a tree or a snapshot names.
 * @throws {LifeboatError} `repository-damaged` when the text is not RFC 3339.
 */
export function parseTime(text: Rfc3339): Instant {
  const match = rfc3339.exec(text);
  if (match === null) {
    throw new LifeboatError('repository-damaged', `not a time: ${JSON.stringify(text.slice(0, 80))}`);
  }
  const days = daysOfDate(Number(match[1]), Number(match[2]), Number(match[3]));
  const clock = Number(match[4]) * 3600 + Number(match[5]) * 60 + Number(match[6]);
  const offset = match[8] === undefined ? 0 : Number(match[9]) * 3600 + Number(match[10]) * 60;
  const seconds = days * secondsOfDay + clock - (match[8] === '-' ? -offset : offset);
  const nanoseconds = match[7] === undefined ? 0 : Number(match[7].slice(0, 9).padEnd(9, '0'));
  return { seconds, nanoseconds };
}

/** Milliseconds since 1970, rounded down. */
export function millisecondsOf(text: Rfc3339): number {
  const { seconds, nanoseconds } = parseTime(text);
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/** Negative, zero or positive as `a` is before, at or after `b`, whatever zones they are written in. */
export function compareTimes(a: Rfc3339, b: Rfc3339): number {
  if (a === b) return 0;
  const first = parseTime(a);
  const second = parseTime(b);
  return first.seconds - second.seconds || first.nanoseconds - second.nanoseconds;
}

export function sameInstant(a: Rfc3339, b: Rfc3339): boolean {
  return a === b || compareTimes(a, b) === 0;
}

const humanTime = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?$/;

/**
 * A time as people type it, in this machine's zone: `2006-01-02 15:04:05`, shorter forms of it, or RFC 3339
 * with its own zone. Null where it is none of these or names a day or hour that does not exist.
 */
export function parseHumanTime(text: string): Instant | null {
  const trimmed = text.trim();
  if (rfc3339.test(trimmed)) return parseTime(trimmed);
  const match = humanTime.exec(trimmed);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(2000, month - 1, day, hour, minute, second);
  date.setFullYear(year, month - 1, day);
  const real =
    date.getMonth() === month - 1 && date.getDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!real) return null;
  return { seconds: Math.floor(date.getTime() / 1000), nanoseconds: Number((match[7] ?? '').padEnd(9, '0')) };
}
