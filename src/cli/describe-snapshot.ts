import { shortId } from '../model/id.ts';
import type { Rfc3339 } from '../model/node.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';

import { printable } from './text-width.ts';

/** `snapshot 40dc1520 of [/home] at 2026-03-01 14:05:09 +0000 UTC by root@host`, as restic words it. */
export function describeSnapshot({ id, paths, time, username = '', hostname = '' }: StoredSnapshot): string {
  const what = paths.map(printable).join(' ');
  return `snapshot ${shortId(id)} of [${what}] at ${goTime(time)} by ${printable(username)}@${printable(hostname)}`;
}

/** As Go prints a time: `2026-03-01 14:05:09.5 +0100 +0100`. */
export function goTime(time: Rfc3339): string {
  const [, day, clock, zone = 'Z'] = /^(\S+?)T([\d:.]+)(\S+)$/.exec(time) ?? [];
  if (day === undefined || clock === undefined) return time;
  const offset = zone.replace(':', '');
  return `${day} ${clock} ${zone === 'Z' ? '+0000 UTC' : `${offset} ${offset}`}`;
}
