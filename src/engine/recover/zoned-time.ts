import { LifeboatError } from '../../core/errors.ts';

/** A point in time that was given with its zone, to the microsecond, as PostgreSQL keeps times. */
export interface ZonedTime {
  /** As given. */
  readonly text: string;
  /** Since 1970. */
  readonly microseconds: bigint;
}

const shape = /^(\d{4})-(\d\d)-(\d\d)(?:[T ]\s*(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?)?\s*(\S.*)?$/i;

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

interface Clock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** Milliseconds since 1970 of what a clock shows in UTC, or null where there is no such day or hour. */
function utcMs({ year, month, day, hour, minute, second }: Clock): number | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** Minutes east of Greenwich of `+01`, `-0330`, `+05:30` or `Z`; null for other texts. */
function offsetMinutes(zone: string): number | null {
  if (/^(?:z|utc|gmt)$/i.test(zone)) return 0;
  const match = /^([+-])(\d\d?)(?::?(\d\d))?$/.exec(zone);
  if (!match || Number(match[2]) > 15 || Number(match[3] ?? 0) > 59) return null;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  return match[1] === '-' ? -minutes : minutes;
}

/** Offset of an IANA zone at an instant, in milliseconds east; null where there is no such zone. */
function zoneOffsetMs(zone: string, atMs: number): number | null {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)+$/.test(zone)) return null;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    const parts = Object.fromEntries(
      format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]),
    );
    const wall = Date.UTC(parts.year!, parts.month! - 1, parts.day, parts.hour, parts.minute, parts.second);
    return wall - Math.floor(atMs / 1000) * 1000;
  } catch {
    return null; // Intl knows no such zone
  }
}

/** The instants at which a zone's clock shows this: none in spring's lost hour, two in autumn's. */
function instantsInZone(wallMs: number, zone: string): number[] | null {
  const day = 86_400_000;
  const offsets = [zoneOffsetMs(zone, wallMs - day), zoneOffsetMs(zone, wallMs + day)];
  if (offsets.some((offset) => offset === null)) return null;
  const candidates = new Set((offsets as number[]).map((offset) => wallMs - offset));
  return [...candidates].filter((at) => zoneOffsetMs(zone, at) === wallMs - at).sort((a, b) => a - b);
}

function offsetText(ms: number): string {
  const minutes = Math.abs(ms) / 60_000;
  const rest = minutes % 60;
  return `${ms < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${rest === 0 ? '' : `:${pad(rest)}`}`;
}

const usage = (message: string, hint: string): LifeboatError => new LifeboatError('usage', message, { hint });

/**
 * `2026-11-20 14:03:11+01`, `2026-11-20T14:03:11.5Z`, `2026-11-20 14:03:11 Europe/Berlin`. A zone is demanded,
 * as an hour more or less decides what data comes back.
 *
 * @throws LifeboatError `usage`; for a time without a zone the hint has it with this machine's.
 */
export function parseZonedTime(text: string): ZonedTime {
  const example = 'give a time such as "2026-11-20 14:03:11+01" or "2026-11-20 14:03:11 Europe/Berlin"';
  const match = shape.exec(text.trim());
  if (!match) {
    throw usage(
      `${JSON.stringify(text)} is no recovery target`,
      `${example}, or latest, immediate, lsn:X/Y, xid:N or name:POINT`,
    );
  }
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const clock = { year: year!, month: month!, day: day!, hour: hour!, minute: minute!, second: second! };
  const wallMs = utcMs(clock);
  if (wallMs === null) throw usage(`there is no such day or hour as in ${JSON.stringify(text)}`, example);
  const fraction = BigInt((match[7] ?? '').padEnd(6, '0'));
  const zone = match[8]?.trim();
  if (!zone) {
    const local = new Date(clock.year, clock.month - 1, clock.day, clock.hour, clock.minute, clock.second);
    const offset = offsetText(-local.getTimezoneOffset() * 60_000);
    throw usage(
      `the time ${JSON.stringify(text)} does not say its time zone`,
      `in this machine's time zone it is "${text.trim()}${offset}"; give it like that, or with the zone that you mean`,
    );
  }
  const minutes = offsetMinutes(zone);
  if (minutes !== null)
    return { text: text.trim(), microseconds: BigInt(wallMs - minutes * 60_000) * 1000n + fraction };
  const instants = instantsInZone(wallMs, zone);
  if (instants === null)
    throw usage(`${JSON.stringify(zone)} is no time zone that this machine knows`, example);
  if (instants.length !== 1) {
    const how = instants.length === 0 ? 'does not exist' : 'comes twice';
    const forms = instants.map(
      (at) => `${text.trim().slice(0, -zone.length).trim()}${offsetText(wallMs - at)}`,
    );
    throw usage(
      `the time ${JSON.stringify(text)} ${how}, as the clocks are changed there`,
      forms.length === 0
        ? 'give it with an offset such as +01'
        : `give ${forms.map((form) => `"${form}"`).join(' or ')}`,
    );
  }
  return { text: text.trim(), microseconds: BigInt(instants[0]!) * 1000n + fraction };
}

/** As PostgreSQL reads it back whatever its TimeZone: `2026-11-20 13:03:11.5+00`. */
export function formatPostgresTime(microseconds: bigint): string {
  const us = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const date = new Date(Number((microseconds - us) / 1000n));
  const fraction = us === 0n ? '' : `.${String(us).padStart(6, '0').replace(/0+$/, '')}`;
  return (
    `${pad(date.getUTCFullYear(), 4)}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())} ` +
    `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}${fraction}+00`
  );
}
