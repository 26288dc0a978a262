import { LifeboatError } from '../../core/errors.ts';
import { type Id, isId } from '../../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import { encodeSnapshot, parseSnapshot } from '../../model/snapshot-codec.ts';
import type { Repository } from '../../repository/repository.ts';
import { type ExportedKind, fileKinds } from './names.ts';

/** What an export says of itself in the clear, and what of it only its key opens (docs/export.md "Format"). */

const formatName = 'lifeboat-export';
const formatVersion = 1;

export interface VolumeFacts {
  readonly volume: number;
  /** Up to its last entry, which holds these facts. */
  readonly bytes: number;
  readonly sha256: string;
}

export interface ExportTotals {
  /** Number of files of each kind. */
  readonly files: Readonly<Record<ExportedKind, number>>;
  /** Content of these files. */
  readonly bytes: number;
  /** Each volume but the last, which the end of this one tells of. */
  readonly volumes: readonly VolumeFacts[];
}

export interface ExportManifest {
  /** 32 hexadecimal digits, the same on all volumes. */
  readonly set: string;
  /** RFC 3339, in whole seconds of UTC. */
  readonly created: string;
  readonly program: string;
  readonly recordBytes: number;
  /** null where there is one volume however large. */
  readonly volumeBytes: number | null;
  readonly snapshots: readonly Id[];
  /** SHA-256 of the file config, the only one whose name does not tell it. */
  readonly configSha256: string;
  /** What will come; not exact where packs are written anew. */
  readonly expected: {
    readonly packs: number;
    readonly bytes: number;
    readonly treeBytes: number;
    readonly journalObjects: number;
    readonly journalBytes: number;
  };
  /** Only in the one at the end. */
  readonly totals: ExportTotals | null;
  /** `Contents`, sealed with the key of the repository, in base64. */
  readonly contents: string;
}

/** What only the key opens: names of machines and folders, and what nobody may change unseen. */
export interface Contents {
  readonly set: string;
  readonly snapshots: readonly StoredSnapshot[];
  readonly totals: ExportTotals | null;
}

export function sealContents({ sealer }: Pick<Repository, 'sealer'>, contents: Contents): string {
  const { set, totals } = contents;
  const snapshots = contents.snapshots.map(({ id, ...snapshot }) => {
    const fields: unknown = JSON.parse(Buffer.from(encodeSnapshot(snapshot)).toString('utf8'));
    return { id, snapshot: fields };
  });
  return sealer.seal(Buffer.from(JSON.stringify({ set, snapshots, totals }))).toString('base64');
}

/**
 * @param subject the manifest, for messages.
 * @throws LifeboatError `export-damaged` where the key is another, or it does not tell what the manifest tells.
 */
export function openContents(
  { sealer }: Pick<Repository, 'sealer'>,
  manifest: ExportManifest,
  subject: string,
): Contents {
  const opened = sealer.open(Buffer.from(manifest.contents, 'base64'));
  const refuse = (why: string): LifeboatError => new LifeboatError('export-damaged', `${subject} ${why}`);
  if (!opened) throw refuse('cannot be decrypted with the key of the export');
  const value = JSON.parse(Buffer.from(opened).toString('utf8')) as {
    set: string;
    snapshots: { id: Id; snapshot: unknown }[];
    totals: ExportTotals | null;
  };
  const snapshots = value.snapshots.map(({ id, snapshot }): StoredSnapshot => {
    const fields: Snapshot = parseSnapshot(Buffer.from(JSON.stringify(snapshot)));
    return { ...fields, id };
  });
  const same =
    value.set === manifest.set &&
    snapshots.map(({ id }) => id).join() === manifest.snapshots.join() &&
    JSON.stringify(value.totals) === JSON.stringify(manifest.totals);
  if (!same) throw refuse('tells in the clear something else than what is sealed in it');
  return { set: value.set, snapshots, totals: value.totals };
}

export function encodeManifest(manifest: ExportManifest): Buffer {
  const part = manifest.totals ? 'end' : 'start';
  return Buffer.from(
    `${JSON.stringify({ format: formatName, version: formatVersion, part, ...manifest })}\n`,
  );
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isHex = (value: unknown, digits: number): value is string =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value);

/** @throws LifeboatError `export-damaged`, or `export-version` for a newer format. */
export function parseManifest(bytes: Uint8Array, subject: string): ExportManifest {
  const fields = parseJson(bytes, subject);
  const refuse = (): LifeboatError =>
    new LifeboatError('export-damaged', `${subject} does not say what an export's manifest says`);
  const { set, created, program, recordBytes, volumeBytes, snapshots, configSha256, contents } = fields;
  const { expected, totals } = fields;
  if (!isHex(set, 32) || typeof created !== 'string' || typeof program !== 'string') throw refuse();
  if (!isCount(recordBytes) || (volumeBytes !== null && !isCount(volumeBytes))) throw refuse();
  if (!Array.isArray(snapshots) || !snapshots.every((id) => typeof id === 'string' && isId(id)))
    throw refuse();
  if (!isHex(configSha256, 64) || typeof contents !== 'string' || !isFields(expected)) throw refuse();
  const { packs, bytes: expectedBytes, treeBytes, journalObjects, journalBytes } = expected;
  if (!isCount(packs) || !isCount(expectedBytes) || !isCount(treeBytes)) throw refuse();
  if (!isCount(journalObjects) || !isCount(journalBytes)) throw refuse();
  return {
    ...{ set, created, program, recordBytes, volumeBytes, configSha256, contents },
    snapshots: snapshots as Id[],
    expected: { packs, bytes: expectedBytes, treeBytes, journalObjects, journalBytes },
    totals: totals === null ? null : parseTotals(totals, refuse),
  };
}

function parseTotals(value: unknown, refuse: () => LifeboatError): ExportTotals {
  if (!isFields(value)) throw refuse();
  const { files, bytes, volumes } = value;
  if (!isFields(files) || !isCount(bytes) || !Array.isArray(volumes)) throw refuse();
  const count = (kind: ExportedKind): number => {
    const number = files[kind];
    if (!isCount(number)) throw refuse();
    return number;
  };
  return {
    files: Object.fromEntries(fileKinds.map((kind) => [kind, count(kind)])) as ExportTotals['files'],
    bytes,
    volumes: volumes.map((each: unknown) => parseVolumeFacts(each, refuse)),
  };
}

function parseVolumeFacts(value: unknown, refuse: () => LifeboatError): VolumeFacts {
  if (!isFields(value)) throw refuse();
  const { volume, bytes, sha256 } = value;
  if (!isCount(volume) || !isCount(bytes) || !isHex(sha256, 64)) throw refuse();
  return { volume, bytes, sha256 };
}

/** What stands first in each volume. */
export interface VolumeHead {
  readonly set: string;
  readonly volume: number;
  /** SHA-256 of the volume before it; null in the first. */
  readonly previous: string | null;
}

export function encodeVolumeHead({ set, volume, previous }: VolumeHead): Buffer {
  return Buffer.from(
    `${JSON.stringify({ format: formatName, version: formatVersion, set, volume, previous })}\n`,
  );
}

/** @throws LifeboatError `export-damaged`, or `export-version`. */
export function parseVolumeHead(bytes: Uint8Array, subject: string): VolumeHead {
  const { set, volume, previous } = parseJson(bytes, subject);
  if (!isHex(set, 32) || !isCount(volume) || (previous !== null && !isHex(previous, 64)))
    throw new LifeboatError('export-damaged', `${subject} does not say what a volume's beginning says`);
  return { set, volume, previous };
}

/** What stands last in each volume. */
export interface VolumeEnd extends VolumeFacts {
  readonly set: string;
  readonly isLast: boolean;
}

/** Least room that `encodeVolumeEnd` needs. */
export const volumeEndBytesMin = 512;

/** @param length spaces fill it up, so that a volume ends where a record ends. */
export function encodeVolumeEnd({ set, volume, bytes, sha256, isLast }: VolumeEnd, length: number): Buffer {
  const facts = { format: formatName, version: formatVersion, set, volume, bytes, sha256, isLast };
  return Buffer.from(`${JSON.stringify(facts).padEnd(length - 1)}\n`);
}

/** Whether a volume's end says that it is the last; null where it says neither. */
export function saysLast(bytes: Buffer): boolean | null {
  const match = /"isLast":(true|false)\}/.exec(bytes.toString('latin1', 0, volumeEndBytesMin));
  return match ? match[1] === 'true' : null;
}

function parseJson(bytes: Uint8Array, subject: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new LifeboatError('export-damaged', `${subject} is not JSON`, { cause: error });
  }
  if (!isFields(value) || value.format !== formatName)
    throw new LifeboatError('export-damaged', `${subject} is not that of an export`);
  if (isCount(value.version) && value.version > formatVersion)
    throw new LifeboatError(
      'export-version',
      `${subject} is of version ${value.version} of the format; this Lifeboat reads version ${formatVersion}`,
    );
  return value;
}
