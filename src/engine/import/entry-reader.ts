import { createHash } from 'node:crypto';
import { LifeboatError } from '../../core/errors.ts';
import {
  blockBytes,
  entryHeader,
  padding,
  pathOfPax,
  paxBytesMax,
  readFields,
} from '../export/entry-header.ts';
import { archiveEndBytes } from '../export/export-writer.ts';
import {
  encodeVolumeEnd,
  parseVolumeHead,
  saysLast,
  type VolumeFacts,
  type VolumeHead,
  volumeEndBytesMin,
} from '../export/manifest.ts';
import { type EntryName, parseEntryName, volumeHeadName } from '../export/names.ts';
import type { ByteInput } from './byte-input.ts';

/** Larger than what programs write; whoever forges an export is not to fill the memory of who reads it. */
const packBytesMax = 1024 * 1024 * 1024;
const indexBytesMax = 256 * 1024 * 1024;
const smallBytesMax = 1024 * 1024;
const keyBytesMax = 64 * 1024;
const bytesMaxOf: Readonly<Record<EntryName['kind'], number>> = {
  'volume-head': smallBytesMax,
  // Spaces fill it up to a record.
  'volume-end': 2 * smallBytesMax,
  manifest: indexBytesMax,
  config: smallBytesMax,
  keys: keyBytesMax,
  data: packBytesMax,
  journal: packBytesMax,
  index: indexBytesMax,
  snapshots: indexBytesMax,
};
/** Beyond this the mistake is told without the rest of the name. */
const shownNameMax = 100;

export interface Entry {
  readonly name: string;
  readonly what: EntryName;
  readonly bytes: Buffer;
  /** Where the content lies in the input. */
  readonly offset: number;
  readonly input: ByteInput;
  readonly volume: number;
}

export interface ReadVolume {
  readonly head: VolumeHead;
  readonly facts: VolumeFacts;
  readonly isLast: boolean;
}

/** Which volume has to come next. */
export interface ExpectedVolume {
  readonly volume: number;
  /** null before the first one. */
  readonly set: string | null;
  /** SHA-256 of the volume before it. */
  readonly previous: string | null;
}

/**
 * Reads one volume: calls back with each entry between its head and its end, whose hash over all of it is checked. What is
 * not byte for byte as an export is written is refused, so that no changed bit goes unseen.
 *
 * @param expected which volume this must be; null takes any.
 * @returns null where the input is at its end.
 * @throws LifeboatError `export-damaged` naming volume and place, `export-incomplete` for another volume than expected.
 */
export async function readVolume(
  input: ByteInput,
  expected: ExpectedVolume | null,
  found: (entry: Entry) => Promise<void>,
): Promise<ReadVolume | null> {
  const start = input.position();
  const hash = createHash('sha256');
  let volume = 0;
  const place = (): string => (volume === 0 ? input.name : `volume ${volume} (${input.name})`);
  const damaged = (why: string): LifeboatError =>
    new LifeboatError('export-damaged', `${place()} is damaged: ${why}`);
  const at = (): string => `at byte ${input.position() - start}`;

  async function take(length: number, what: string): Promise<Buffer> {
    const bytes = await input.read(length);
    if (bytes.length < length) throw damaged(`it ends ${at()}, inside ${what}`);
    return bytes;
  }

  /** A header, the content after it still to be read; null at the end of the input. */
  async function readHeader(): Promise<{
    name: string;
    size: number;
    seconds: number;
    header: Buffer;
  } | null> {
    const first = await input.read(blockBytes);
    if (first.length === 0 && volume === 0) return null;
    if (first.length < blockBytes) throw damaged(`it ends ${at()}, where an entry should begin`);
    let fields = readFields(first);
    let { name } = fields;
    const parts = [first];
    if (fields.isPax) {
      if (!(fields.size <= paxBytesMax)) throw damaged(`no entry of an export begins ${at()}`);
      const body = await take(fields.size, 'a header');
      const rest = await take(padding(fields.size).length, 'a header');
      const block = await take(blockBytes, 'a header');
      name = pathOfPax(body) ?? '';
      fields = readFields(block);
      parts.push(body, rest, block);
    }
    const header = Buffer.concat(parts);
    const { size, seconds } = fields;
    const isWhole = Number.isSafeInteger(size) && Number.isSafeInteger(seconds);
    if (!isWhole || !/^[\x21-\x7e]+$/.test(name) || !entryHeader(name, size, seconds).equals(header)) {
      const isForeign = volume === 0 && input.position() - start === header.length;
      throw isForeign
        ? new LifeboatError('export-damaged', `${input.name} does not begin as a volume of an export does`, {
            hint: 'name files that `lifeboat export` wrote; if this is one, its beginning is damaged',
          })
        : damaged(`no entry of an export begins ${at()}`);
    }
    return { name, size, seconds, header };
  }

  async function readContent(name: string, size: number): Promise<Buffer> {
    const bytes = await take(size, shown(name));
    hash.update(bytes);
    const rest = await take(padding(size).length, shown(name));
    if (rest.some((byte) => byte !== 0)) throw damaged(`what fills up ${shown(name)} is not empty`);
    hash.update(rest);
    return bytes;
  }

  const begin = await readHeader();
  if (begin === null) return null;
  const what = parseEntryName(begin.name);
  if (what?.kind !== 'volume-head' || begin.size > smallBytesMax)
    throw new LifeboatError('export-damaged', `${input.name} does not begin as a volume of an export does`);
  hash.update(begin.header);
  const head = parseVolumeHead(await readContent(begin.name, begin.size), `the head of ${input.name}`);
  if (head.volume !== what.volume || begin.name !== volumeHeadName(head.volume))
    throw damaged('its head and the name of it tell two numbers');
  if (expected) checkExpected(head, expected, input.name);
  volume = head.volume;

  for (;;) {
    const entry = (await readHeader())!;
    const { name, size, seconds, header } = entry;
    const kind = parseEntryName(name);
    if (kind !== null && size > bytesMaxOf[kind.kind])
      throw damaged(`the entry ${shown(name)} states ${size} bytes, more than any file of a repository has`);
    if (seconds !== begin.seconds) throw damaged(`the entry ${shown(name)} is of another export`);
    if (kind === null)
      throw damaged(`it has an entry named ${JSON.stringify(shown(name))}, which no export has`);
    if (kind.kind === 'volume-head') throw damaged(`it has the head of volume ${kind.volume} in it`);
    if (kind.kind !== 'volume-end') {
      hash.update(header);
      const offset = input.position();
      await found({ name, what: kind, bytes: await readContent(name, size), offset, input, volume });
      continue;
    }
    const facts = { volume, bytes: input.position() - start - header.length, sha256: hash.digest('hex') };
    const content = await take(size, 'its end');
    const isLast = saysLast(content);
    const fits = kind.volume === volume && size >= volumeEndBytesMin && size % blockBytes === 0;
    if (!fits || isLast === null) throw damaged('its end cannot be read');
    const { set } = head;
    if (!encodeVolumeEnd({ set, ...facts, isLast }, size).equals(content))
      throw damaged('its content has another hash than its end says');
    if (isLast) await readArchiveEnd(input, damaged);
    return { head, facts, isLast };
  }
}

const shown = (name: string): string =>
  name.length > shownNameMax ? `${name.slice(0, shownNameMax)}…` : name;

/** The zeros that end an archive, and those that a tape may have behind them. */
async function readArchiveEnd(input: ByteInput, damaged: (why: string) => LifeboatError): Promise<void> {
  const end = await input.read(archiveEndBytes);
  if (end.length < archiveEndBytes) throw damaged('it ends before the end of the archive');
  for (let bytes = end; bytes.length > 0; bytes = await input.read(64 * 1024))
    if (bytes.some((byte) => byte !== 0)) throw damaged('something follows the end of the archive');
}

/** @throws LifeboatError `export-incomplete` naming what is there and what should be. */
function checkExpected(head: VolumeHead, expected: ExpectedVolume, name: string): void {
  const refuse = (why: string): LifeboatError => new LifeboatError('export-incomplete', why);
  const { set, volume, previous } = expected;
  if (set !== null && head.set !== set)
    throw refuse(
      `${name} is volume ${head.volume} of another export (set ${head.set.slice(0, 8)}) than the volumes before it (set ${set.slice(0, 8)})`,
    );
  if (head.volume !== volume)
    throw refuse(
      head.volume > volume
        ? `volume ${volume} of set ${head.set.slice(0, 8)} is missing: ${name} brings volume ${head.volume} in its place`
        : `${name} brings volume ${head.volume} of set ${head.set.slice(0, 8)} where volume ${volume} should come`,
    );
  if (head.previous !== previous)
    throw new LifeboatError(
      'export-damaged',
      `volume ${volume} (${name}) does not follow the volume before it: one of the two is from another run`,
    );
}
