import { bytesOfText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { goJsonInside } from './go-text.ts';
import type { Id } from './id.ts';
import { isId } from './id.ts';
import type { Snapshot, SnapshotSummary } from './snapshot.ts';
import { parseTime } from './time.ts';

/**
 * The JSON of a snapshot file, exactly as restic writes it (internal/data/snapshot.go): its order of fields,
 * Go's escapes, no white space, no newline; empty fields are left out, but never time, tree and paths.
 */

const summaryTimes = ['backup_start', 'backup_end'] as const;
const summaryCounters = [
  'files_new',
  'files_changed',
  'files_unmodified',
  'dirs_new',
  'dirs_changed',
  'dirs_unmodified',
  'data_blobs',
  'tree_blobs',
  'data_added',
  'data_added_packed',
  'total_files_processed',
  'total_bytes_processed',
] as const satisfies readonly (keyof SnapshotSummary)[];

/** Go's zero time. */
const zeroTime = '0001-01-01T00:00:00Z';

export function encodeSnapshot(snapshot: Snapshot): Buffer {
  const fields = [
    field('time', string(snapshot.time)),
    snapshot.parent === undefined ? '' : field('parent', string(snapshot.parent)),
    field('tree', snapshot.tree === undefined ? 'null' : string(snapshot.tree)),
    field('paths', strings(snapshot.paths)),
    textField('hostname', snapshot.hostname),
    textField('username', snapshot.username),
    numberField('uid', snapshot.uid),
    numberField('gid', snapshot.gid),
    listField('excludes', snapshot.excludes),
    listField('tags', snapshot.tags),
    snapshot.original === undefined ? '' : field('original', string(snapshot.original)),
    textField('program_version', snapshot.program_version),
    snapshot.summary === undefined ? '' : field('summary', encodeSummary(snapshot.summary)),
  ];
  return Buffer.from(`{${fields.filter((part) => part !== '').join(',')}}`, 'latin1');
}

function encodeSummary(summary: SnapshotSummary): string {
  const fields = [
    ...summaryTimes.map((name) => field(name, string(summary[name]))),
    ...summaryCounters.map((name) => field(name, String(summary[name]))),
  ];
  return `{${fields.join(',')}}`;
}

const field = (name: string, json: string): string => `"${name}":${json}`;
const string = (text: string): string => `"${goJsonInside(bytesOfText(text))}"`;
const strings = (texts: readonly string[]): string => `[${texts.map(string).join(',')}]`;
const textField = (name: string, text: string | undefined): string => (text ? field(name, string(text)) : '');
const numberField = (name: string, number: number | undefined): string =>
  number ? field(name, String(number)) : '';
const listField = (name: string, texts: readonly string[] | undefined): string =>
  texts !== undefined && texts.length > 0 ? field(name, strings(texts)) : '';

/**
 * Reads a snapshot file. Fields that are missing or null are absent, those unknown are dropped, as restic
 * drops them.
 *
 * @throws LifeboatError `repository-damaged` for what is no JSON object or has a field of the wrong kind.
 */
export function parseSnapshot(json: Uint8Array): Snapshot {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8'));
  } catch (error) {
    throw new LifeboatError('repository-damaged', `a snapshot is not JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const object = asObject(value, 'a snapshot');
  const snapshot: Snapshot = { time: timeOf(object, 'time'), paths: stringsOf(object, 'paths') ?? [] };
  assign(snapshot, 'parent', idOf(object, 'parent'));
  assign(snapshot, 'tree', idOf(object, 'tree'));
  assign(snapshot, 'hostname', stringOf(object, 'hostname'));
  assign(snapshot, 'username', stringOf(object, 'username'));
  assign(snapshot, 'uid', numberOf(object, 'uid'));
  assign(snapshot, 'gid', numberOf(object, 'gid'));
  assign(snapshot, 'excludes', stringsOf(object, 'excludes'));
  assign(snapshot, 'tags', stringsOf(object, 'tags'));
  assign(snapshot, 'original', idOf(object, 'original'));
  assign(snapshot, 'program_version', stringOf(object, 'program_version'));
  assign(snapshot, 'summary', summaryOf(object));
  return snapshot;
}

type JsonObject = Readonly<Record<string, unknown>>;

function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LifeboatError('repository-damaged', `${what} is not a JSON object`);
  }
  return value as JsonObject;
}

function assign<K extends keyof Snapshot>(snapshot: Snapshot, key: K, value: Snapshot[K] | undefined): void {
  if (value !== undefined) snapshot[key] = value;
}

function wrongKind(name: string, expected: string): LifeboatError {
  return new LifeboatError('repository-damaged', `the field ${name} of a snapshot is not ${expected}`);
}

function stringOf(object: JsonObject, name: string): string | undefined {
  const value = object[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw wrongKind(name, 'a text');
  return value;
}

function stringsOf(object: JsonObject, name: string): string[] | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw wrongKind(name, 'a list of texts');
  return value.map((item: unknown) => {
    if (item !== null && typeof item !== 'string') throw wrongKind(name, 'a list of texts');
    return item ?? '';
  });
}

function numberOf(object: JsonObject, name: string): number | undefined {
  const value = object[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongKind(name, 'a whole number');
  return value;
}

function idOf(object: JsonObject, name: string): Id | undefined {
  const value = stringOf(object, name)?.toLowerCase();
  if (value === undefined) return undefined;
  if (!isId(value)) throw wrongKind(name, 'an ID');
  return value;
}

/** A time that can be read; restic's zero time where it is missing. */
function timeOf(object: JsonObject, name: string): string {
  const time = stringOf(object, name) ?? zeroTime;
  parseTime(time);
  return time;
}

function summaryOf(object: JsonObject): SnapshotSummary | undefined {
  const value = object.summary ?? undefined;
  if (value === undefined) return undefined;
  const summary = asObject(value, 'the summary of a snapshot');
  return {
    backup_start: timeOf(summary, 'backup_start'),
    backup_end: timeOf(summary, 'backup_end'),
    ...(Object.fromEntries(summaryCounters.map((name) => [name, numberOf(summary, name) ?? 0])) as Record<
      (typeof summaryCounters)[number],
      number
    >),
  };
}
