import type { WalStatus } from '../app/wal-service.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { formatLsn } from '../model/wal.ts';
import type { WalAlarm, WalEvent } from '../model/wal-event.ts';
import { formatBytes, formatDuration } from './format.ts';
import type { Output } from './terminal.ts';

/** What `wal receive` prints while it runs. */

/** One sentence about what an operator has to look after, and what to do. */
export function describeAlarm(alarm: WalAlarm): string {
  switch (alarm.kind) {
    case 'gap': {
      const { timeline, start, end } = alarm.missing;
      return `wal-gap: the log from ${formatLsn(start)} to ${formatLsn(end)} (timeline ${timeline}) is lost, as the server had removed it; take a new backup to close the gap`;
    }
    case 'slot-behind':
      return `the slot holds back ${formatBytes(alarm.bytes)} of the server's log, more than ${formatBytes(alarm.bytesMax)}; see whether a repository is out of reach or slow`;
    case 'slot-status': {
      const left = alarm.safeBytes === null ? '' : ` (${formatBytes(Math.max(0, alarm.safeBytes))} left)`;
      return alarm.status === 'lost'
        ? 'the server has invalidated the slot; the log goes on after a gap, so take a new backup'
        : `the server is about to give up the slot: wal_status is ${alarm.status}${left}; see whether a repository is out of reach, or raise max_slot_wal_keep_size`;
    }
    case 'other-cluster':
      return `the server is another cluster (${alarm.found}) than the one whose log is kept (${alarm.expected}); nothing of it is stored`;
    case 'synchronous':
      return `commits on the server wait for ${alarm.applicationName}, which applies nothing; leave it out of synchronous_standby_names`;
  }
}

function describe(event: WalEvent): { readonly text: string; readonly level: 'info' | 'warn' | 'verbose' } {
  switch (event.kind) {
    case 'connected':
      return {
        level: 'info',
        text: `receiving from ${event.server}, timeline ${event.timeline}, at ${formatLsn(event.start)}`,
      };
    case 'connection-lost':
      return {
        level: 'warn',
        text: `${messageOf(event.error)}; trying again in ${(event.retryInMs / 1000).toFixed(1)} s`,
      };
    case 'slot-created':
      return { level: 'info', text: `made the replication slot ${event.slot}` };
    case 'timeline-followed':
      return {
        level: 'info',
        text: `followed timeline ${event.from} to ${event.to} at ${formatLsn(event.at)}`,
      };
    case 'alarm':
      return { level: 'warn', text: `alarm: ${describeAlarm(event.alarm)}` };
    case 'alarm-cleared':
      return { level: 'info', text: `over: the alarm ${event.alarm}` };
    case 'compaction-failed':
      return {
        level: 'warn',
        text: `${event.unit} was not compacted in ${event.place}: ${messageOf(event.error)}`,
      };
    case 'heartbeat-failed':
      return {
        level: 'warn',
        text: `${event.place} was not told until when the log is whole: ${messageOf(event.error)}`,
      };
    case 'file-archived':
      return event.status === 'known'
        ? { level: 'warn', text: `${event.name} was archived before, with the same content` }
        : { level: 'verbose', text: `${event.name} ${event.status}` };
    case 'file-refused':
      return { level: 'warn', text: `${event.name} was not archived: ${messageOf(event.error)}` };
  }
}

/** JSON with positions as PostgreSQL prints them, and errors by code and message. */
export function eventJson(event: { readonly kind: string }): Record<string, unknown> {
  const plain = (value: unknown): unknown => {
    if (typeof value === 'bigint') return formatLsn(value);
    if (value instanceof LifeboatError) return { code: value.code, message: value.message };
    if (value instanceof Error) return { code: 'internal', message: value.message };
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  };
  const { kind, ...rest } = event;
  return { message_type: kind, ...(plain(rest) as Record<string, unknown>) };
}

export function printWalEvent(output: Output, event: WalEvent): void {
  if (output.json) {
    output.jsonLine(eventJson(event));
    return;
  }
  const { text, level } = describe(event);
  if (level === 'warn') output.warn(text);
  else if (level === 'info') output.info(text);
  else output.verbose(text);
}

/** One line: how far the log is stored. */
export function walStatusLine({ receiver, way }: WalStatus): string {
  if (way === 'push' || receiver === null) return 'taking over archived files';
  const { durable, timeline, lagMs, lagBytes, server } = receiver;
  if (durable === null) return 'connecting';
  const behind = lagBytes === null ? '' : `, ${formatBytes(lagBytes)} behind`;
  const lag = lagMs < 1 ? '' : `, ${formatDuration(lagMs)} waiting`;
  const where = server === null ? ' (no connection)' : '';
  return `stored up to ${durable} on timeline ${timeline}${behind}${lag}${where}`;
}
