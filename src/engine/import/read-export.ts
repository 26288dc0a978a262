import { hash, webcrypto } from 'node:crypto';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import { nameHashDigits } from '../../journal/layout.ts';
import type { Id } from '../../model/id.ts';
import { headerSpan, openHeader, type PackedBlob } from '../../repository/pack.ts';
import type { Repository } from '../../repository/repository.ts';
import {
  type Contents,
  type ExportManifest,
  openContents,
  parseManifest,
  type VolumeFacts,
} from '../export/manifest.ts';
import { fileKinds, manifestName, noFiles } from '../export/names.ts';
import type { ByteInput } from './byte-input.ts';
import { type Entry, type ExpectedVolume, type ReadVolume, readVolume } from './entry-reader.ts';
import { createExportedStorage, type ExportedStorage, type Place } from './exported-storage.ts';
import { type ScratchFolder, spoolFile } from './spool.ts';

/** A pack that has arrived: its bytes have the hash that its name tells, and its header was read. */
export interface ArrivedPack {
  readonly id: Id;
  readonly bytes: Buffer;
  readonly blobs: readonly PackedBlob[];
}

/** What is known before the first pack comes. */
export interface ExportStart {
  readonly manifest: ExportManifest;
  /** With config and keys in it. */
  readonly storage: Repository['storage'];
}

/** How the rest is to be read. */
export interface Handling {
  /** The export as a repository, opened. */
  readonly repository: Repository;
  /** Which packs have to be read again later; the others are let go. */
  readonly keep: 'trees' | 'all';
  /** For what has to be read again and lies on no disk; null where everything lies on one. */
  readonly scratch: ScratchFolder | null;
  /** Resolves when there is room for the next one. */
  take(pack: ArrivedPack): Promise<void>;
}

export interface ReadExportEvents {
  /** After each file: bytes of files so far, and how many packs. */
  readonly onProgress?: (packs: number, bytes: number) => void;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly events?: ReadExportEvents | undefined;
}

/** An export that was read to its end: everything in it has the hash that it should have. */
export interface ReceivedExport {
  /** The one at the end. */
  readonly manifest: ExportManifest;
  readonly contents: Contents;
  readonly repository: Repository;
  /** What the header of each pack says of it (`describeBlobs`). */
  readonly packs: ReadonlyMap<Id, string>;
  readonly bytes: number;
  readonly volumes: number;
}

/** The same text for the same blobs at the same places. */
export function describeBlobs(blobs: readonly PackedBlob[]): string {
  const lines = [...blobs]
    .sort((a, b) => a.offset - b.offset)
    .map(
      ({ type, id, offset, length, uncompressedLength }) =>
        `${type} ${id} ${offset} ${length} ${uncompressedLength}`,
    );
  return hash('sha256', lines.join('\n'), 'base64');
}

/**
 * Reads an export from its first byte to its last, once.
 *
 * @param nextInput gives one medium after another, null after the last.
 * @param begin called when keys and config were read, before anything else.
 * @throws LifeboatError `export-damaged` naming volume and file, `export-incomplete`, `source-unreadable`, and what `begin` and
 *   `take` throw.
 */
export async function readExport(
  nextInput: () => Promise<ByteInput | null>,
  begin: (start: ExportStart) => Promise<Handling>,
  options: ReadOptions = {},
): Promise<ReceivedExport> {
  const state = new Reading(begin, options);
  const volumes: VolumeFacts[] = [];
  let set: string | null = null;
  let ended = false;
  let lastName = '';
  for (let input = await nextInput(); input !== null; input = await nextInput()) {
    try {
      for (;;) {
        const expected: ExpectedVolume = {
          volume: volumes.length + 1,
          set,
          previous: volumes.at(-1)?.sha256 ?? null,
        };
        const volume: ReadVolume | null = ended
          ? null
          : await readVolume(input, expected, (entry) => state.receive(entry));
        if (volume === null) break;
        set = volume.head.set;
        ended = volume.isLast;
        lastName = input.name;
        if (ended !== state.hasEnd())
          throw damagedAt(
            lastName,
            volume.facts.volume,
            'the end of the export and that of its last volume do not fit',
          );
        state.checkVolumes(volumes, volume.head.set, ended);
        volumes.push(volume.facts);
      }
    } finally {
      await input.close();
    }
  }
  if (volumes.length === 0)
    throw new LifeboatError('export-incomplete', 'there is nothing of an export: the input is empty');
  if (!ended)
    throw new LifeboatError(
      'export-incomplete',
      `volume ${volumes.length + 1} of set ${set!.slice(0, 8)} is missing: ${lastName} holds volume ${volumes.length}, and is not the last`,
    );
  return state.result(volumes.length);
}

const damagedAt = (name: string, volume: number, why: string): LifeboatError =>
  new LifeboatError('export-damaged', `volume ${volume} (${name}) is damaged: ${why}`);

/** They are kept in memory. */
const keysMax = 1000;

/** The order in which kinds come. */
const stages: readonly string[] = ['start', ...fileKinds, 'end'];

class Reading {
  readonly #begin: (start: ExportStart) => Promise<Handling>;
  readonly #options: ReadOptions;
  #start: ExportManifest | null = null;
  #end: ExportManifest | null = null;
  #exported: ExportedStorage | null = null;
  #handling: Handling | null = null;
  #contents: Contents | null = null;
  #stage = 0;
  readonly #names = new Set<string>();
  readonly #packs = new Map<Id, string>();
  readonly #files = noFiles();
  #bytes = 0;

  constructor(begin: (start: ExportStart) => Promise<Handling>, options: ReadOptions) {
    this.#begin = begin;
    this.#options = options;
  }

  hasEnd(): boolean {
    return this.#end !== null;
  }

  /** @throws LifeboatError `export-damaged` where the manifests are not those of these volumes. */
  checkVolumes(before: readonly VolumeFacts[], set: string, isLast: boolean): void {
    const manifest = isLast ? this.#end : this.#start;
    if (
      manifest?.set !== set ||
      (isLast && JSON.stringify(manifest.totals!.volumes) !== JSON.stringify(before))
    )
      throw new LifeboatError(
        'export-damaged',
        'the manifest of the export tells of other volumes than these',
      );
  }

  async receive(entry: Entry): Promise<void> {
    const { signal, events } = this.#options;
    signal?.throwIfAborted();
    const refuse = (why: string): LifeboatError =>
      damagedAt(entry.input.name, entry.volume, `${entry.name} ${why}`);
    const { what, bytes } = entry;
    if (what.kind === 'manifest') return this.#receiveManifest(entry, refuse);
    if (what.kind === 'volume-head' || what.kind === 'volume-end') throw refuse('is out of place');
    this.#advance(what.kind, refuse);
    if (this.#names.has(entry.name)) throw refuse('is in the export twice');
    this.#names.add(entry.name);
    if (what.kind === 'keys' && this.#files.keys === keysMax)
      throw refuse('is one key file too many for any repository');
    this.#files[what.kind]++;
    this.#bytes += bytes.length;
    if (what.kind === 'config') {
      if (hash('sha256', bytes) !== this.#start!.configSha256)
        throw refuse('has another hash than it should');
    } else if (what.kind === 'journal') {
      if (what.hash !== null && hash('sha256', bytes).slice(0, nameHashDigits) !== what.hash)
        throw refuse('has another hash than its name says');
    } else if ((await sha256Of(bytes)) !== what.id) throw refuse('has another hash than its name says');
    if (what.kind === 'config' || what.kind === 'keys')
      this.#exported!.add(entry.name, { kind: 'memory', bytes: Buffer.from(bytes) });
    else if (what.kind === 'data') await this.#receivePack(entry, what.id, refuse);
    else await this.#keep(entry, await this.#handled());
    events?.onProgress?.(this.#files.data, this.#bytes);
  }

  #advance(kind: string, refuse: (why: string) => LifeboatError): void {
    const stage = stages.indexOf(kind);
    if (this.#start === null || stage < this.#stage || (stage > 1 && this.#files.config !== 1) || this.#end)
      throw refuse('is out of place');
    this.#stage = stage;
  }

  async #receiveManifest(entry: Entry, refuse: (why: string) => LifeboatError): Promise<void> {
    const manifest = parseManifest(entry.bytes, `${manifestName} of ${entry.input.name}`);
    if (manifest.totals === null) {
      if (this.#start !== null) throw refuse('is in the export twice');
      this.#start = manifest;
      this.#exported = createExportedStorage(`the export ${manifest.set.slice(0, 8)}`);
      return;
    }
    this.#advance('end', refuse);
    this.#contents = openContents((await this.#handled()).repository, manifest, manifestName);
    const { totals, contents: _, ...rest } = manifest;
    const { totals: _none, contents: _sealed, ...begun } = this.#start!;
    if (JSON.stringify(rest) !== JSON.stringify(begun)) throw refuse('differs from the one at the beginning');
    if (JSON.stringify(totals.files) !== JSON.stringify(this.#files) || totals.bytes !== this.#bytes)
      throw refuse('tells of other files than the export has');
    this.#end = manifest;
  }

  async #handled(): Promise<Handling> {
    if (this.#handling) return this.#handling;
    const { storage } = this.#exported!;
    const handling = await this.#begin({ manifest: this.#start!, storage });
    openContents(handling.repository, this.#start!, manifestName);
    this.#handling = handling;
    return handling;
  }

  async #receivePack(entry: Entry, id: Id, refuse: (why: string) => LifeboatError): Promise<void> {
    const handling = await this.#handled();
    const { bytes } = entry;
    let blobs: PackedBlob[];
    try {
      const { start, length } = headerSpan(bytes.length, bytes.subarray(Math.max(0, bytes.length - 4)), id);
      blobs = openHeader(handling.repository.sealer, bytes.subarray(start, start + length), start, id);
    } catch (error) {
      throw refuse(`is no pack of this repository: ${messageOf(error)}`);
    }
    this.#packs.set(id, describeBlobs(blobs));
    if (handling.keep === 'all' || blobs.some(({ type }) => type === 'tree'))
      await this.#keep(entry, handling);
    await handling.take({ id, bytes, blobs });
  }

  async #keep({ name, bytes, input, offset }: Entry, { scratch }: Handling): Promise<void> {
    let place: Place;
    if (input.path !== null) place = { kind: 'part', path: input.path, offset, size: bytes.length };
    else if (scratch !== null) place = await spoolFile(scratch, name, bytes);
    else throw new LifeboatError('internal', `there is no scratch folder for ${name}`);
    this.#exported!.add(name, place);
  }

  result(volumes: number): ReceivedExport {
    return {
      manifest: this.#end!,
      contents: this.#contents!,
      repository: this.#handling!.repository,
      packs: this.#packs,
      bytes: this.#bytes,
      volumes,
    };
  }
}

/** Large ones on another thread. */
const aheadFromBytes = 256 * 1024;

async function sha256Of(bytes: Buffer): Promise<string> {
  if (bytes.length < aheadFromBytes || !(bytes.buffer instanceof ArrayBuffer)) return hash('sha256', bytes);
  const digest = await webcrypto.subtle.digest('SHA-256', bytes as Buffer<ArrayBuffer>);
  return Buffer.from(digest).toString('hex');
}
