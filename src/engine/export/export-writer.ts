import { createHash } from 'node:crypto';
import { LifeboatError } from '../../core/errors.ts';
import { blockBytes, entryHeader, padding } from './entry-header.ts';
import { encodeVolumeEnd, encodeVolumeHead, type VolumeFacts, volumeEndBytesMin } from './manifest.ts';
import { volumeEndName, volumeHeadName, volumesMax } from './names.ts';
import { createPieces, type Pieces } from './pieces.ts';
import type { VolumeOutput, VolumeTarget } from './volume-output.ts';

/** Zeros at the end of an archive (POSIX pax, "ustar Interchange Format"). */
export const archiveEndBytes = 2 * blockBytes;

export interface ExportWriter {
  /** Appends an entry. Calls at the same time come one after another. */
  add(name: string, parts: readonly Uint8Array[]): Promise<void>;
  /**
   * Appends the last entry and ends the last volume.
   * @param content told of all volumes before the last one.
   */
  end(name: string, content: (volumes: readonly VolumeFacts[]) => Uint8Array): Promise<WrittenVolume[]>;
  /** Bytes written so far, headers included. */
  bytes(): number;
}

export interface WrittenVolume {
  readonly name: string;
  /** Of the whole volume. */
  readonly bytes: number;
}

export interface ExportWriterOptions {
  readonly output: VolumeOutput;
  readonly set: string;
  /** Time of the export, since 1970. */
  readonly seconds: number;
  readonly recordBytes: number;
  readonly volumeBytes: number | null;
}

interface OpenVolume {
  readonly volume: number;
  readonly target: VolumeTarget;
  readonly pieces: Pieces;
  readonly hash: ReturnType<typeof createHash>;
  /** Bytes so far. */
  used: number;
  /** Whether it holds more than its head. */
  hasEntries: boolean;
}

const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/**
 * Writes the entries of an export to volumes. A volume holds whole entries, so each is an archive by itself and
 * the loss of one does not make the others unreadable; together they are one archive.
 */
export function createExportWriter(options: ExportWriterOptions): ExportWriter {
  const { output, set, seconds, recordBytes, volumeBytes } = options;
  const volumes: VolumeFacts[] = [];
  const written: WrittenVolume[] = [];
  let open: OpenVolume | null = null;
  let closedBytes = 0;
  let turn: Promise<void> = Promise.resolve();

  async function append(volume: OpenVolume, bytes: Uint8Array): Promise<void> {
    volume.hash.update(bytes);
    volume.used += bytes.length;
    await volume.pieces.write(bytes);
  }

  async function appendEntry(
    volume: OpenVolume,
    header: Buffer,
    parts: readonly Uint8Array[],
    size: number,
  ): Promise<void> {
    await append(volume, header);
    for (const part of parts) await append(volume, part);
    await append(volume, padding(size));
    volume.hasEntries = true;
  }

  /** What the end of a volume needs beside `used` bytes, filled up to a whole record. */
  function endBytes(used: number, isLast: boolean, number: number): { content: number; all: number } {
    const fixed = entryHeader(volumeEndName(number), 0, seconds).length + (isLast ? archiveEndBytes : 0);
    const least = used + fixed + volumeEndBytesMin;
    const all = Math.ceil(least / recordBytes) * recordBytes;
    return { content: all - used - fixed, all };
  }

  async function openVolume(): Promise<OpenVolume> {
    const number = volumes.length + 1;
    if (number > volumesMax)
      throw new LifeboatError('usage', `the export needs more than ${volumesMax} volumes`, {
        hint: 'give a larger --volume-size',
      });
    const target = await output.open(number);
    const pieces = createPieces(target, output.pieceBytes);
    const volume: OpenVolume = {
      volume: number,
      target,
      pieces,
      hash: createHash('sha256'),
      used: 0,
      hasEntries: false,
    };
    const head = encodeVolumeHead({ set, volume: number, previous: volumes.at(-1)?.sha256 ?? null });
    await appendEntry(volume, entryHeader(volumeHeadName(number), head.length, seconds), [head], head.length);
    volume.hasEntries = false;
    return volume;
  }

  async function closeVolume(volume: OpenVolume, isLast: boolean): Promise<void> {
    const { used: bytes, pieces, target } = volume;
    const sha256 = volume.hash.digest('hex');
    const facts = { volume: volume.volume, bytes, sha256 };
    const { content, all } = endBytes(bytes, isLast, volume.volume);
    await pieces.write(entryHeader(volumeEndName(volume.volume), content, seconds));
    await pieces.write(encodeVolumeEnd({ set, ...facts, isLast }, content));
    if (isLast) await pieces.write(Buffer.alloc(archiveEndBytes));
    await pieces.flush();
    await target.finish();
    volumes.push(facts);
    written.push({ name: target.name, bytes: all });
    closedBytes += all;
    open = null;
  }

  const fits = ({ used, volume }: OpenVolume, bytes: number, isLast: boolean): boolean =>
    volumeBytes === null || endBytes(used + bytes, isLast, volume).all <= volumeBytes;

  /** The volume that takes an entry of so many bytes: this one, or a new one. */
  async function volumeFor(name: string, bytes: number, isLast: boolean): Promise<OpenVolume> {
    open ??= await openVolume();
    if (fits(open, bytes, isLast)) return open;
    if (open.hasEntries) {
      await closeVolume(open, false);
      open = await openVolume();
    }
    if (fits(open, bytes, isLast)) return open;
    throw new LifeboatError(
      'usage',
      `a volume of ${volumeBytes} bytes has no room for ${name} of ${bytes} bytes`,
      {
        hint: 'give a larger --volume-size: an entry is never split',
      },
    );
  }

  async function addNow(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const size = sizeOf(parts);
    const header = entryHeader(name, size, seconds);
    const volume = await volumeFor(name, header.length + size + padding(size).length, false);
    await appendEntry(volume, header, parts, size);
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    // After a failure nothing may be appended: every later caller is told the same.
    const mine = turn.then(work);
    turn = mine.then(() => undefined);
    turn.catch(() => undefined);
    return mine;
  }

  return {
    add: (name, parts) => inTurn(() => addNow(name, parts)),
    end: (name, content) =>
      inTurn(async () => {
        open ??= await openVolume();
        // Room is looked for as if all volumes so far were told of, this one too: it may be closed for it.
        const most =
          content([...volumes, { volume: 0, bytes: open.used, sha256: '0'.repeat(64) }]).length + 16;
        const headerBytes = entryHeader(name, most, seconds).length;
        const volume = await volumeFor(name, headerBytes + most + padding(most).length, true);
        const last = content(volumes);
        await appendEntry(volume, entryHeader(name, last.length, seconds), [last], last.length);
        await closeVolume(volume, true);
        return written;
      }),
    bytes: () => closedBytes + (open?.used ?? 0),
  };
}
