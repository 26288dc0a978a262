import { constants, type Stats, statfsSync } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { syncFolder } from '../../core/folders.ts';
import type { VolumeOutput, VolumeTarget } from './volume-output.ts';

/** Volumes as files, or one volume on a device such as a tape drive. */

/** Until a volume is complete its file bears this too. */
export const partialSuffix = '.partial';
const filePieceBytes = 1024 * 1024;

const numberMark = /%(?:0(\d))?d/;

/**
 * The file of a volume: with the number where the path says `%d` or `%03d`; where it does not, before its suffix, if there are
 * to be several volumes.
 */
export function volumePath(path: string, volume: number, several: boolean): string {
  const numbered = (digits: number): string => String(volume).padStart(digits, '0');
  const name = basename(path);
  const mark = numberMark.exec(name);
  if (mark) return join(dirname(path), name.replace(mark[0], numbered(Number(mark[1] ?? 1))));
  if (!several) return path;
  const suffix = extname(name);
  return join(dirname(path), `${name.slice(0, name.length - suffix.length)}-${numbered(3)}${suffix}`);
}

const roomHint = 'free space there, or choose another place; what was written of the export was removed';
const fileHints: Readonly<Record<string, string>> = {
  ENOSPC: roomHint,
  EDQUOT: roomHint,
  EFBIG: 'the file system takes no larger files: give --volume-size, such as 4000M on FAT32',
};
const deviceHints: Readonly<Record<string, string>> = {
  ENOSPC: 'the medium is full: write files with --volume-size, and put them on one medium each',
};

function failure(action: string, path: string, error: unknown, hints = fileHints): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const hint = hints[errnoOf(error)];
  return new LifeboatError('export-failed', `cannot ${action} ${path}: ${messageOf(error)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

export interface FileVolumesOptions {
  readonly recordBytes: number;
  /** Whether there may be more than one. */
  readonly several: boolean;
  /** How many there will be at least: none of them may exist. */
  readonly volumesExpected: number;
  /** About how much will be written: looked for before anything is. */
  readonly bytesExpected: number;
}

/**
 * @throws LifeboatError `export-exists` where a volume is there already, `export-failed` where there is too little
 * room, `usage` where several volumes should go to one device.
 */
export async function openFileVolumes(
  path: string,
  { recordBytes, several, volumesExpected, bytesExpected }: FileVolumesOptions,
): Promise<VolumeOutput> {
  const first = volumePath(path, 1, several);
  const found = (await statOrNull(first)) ?? (await statOrNull(path));
  if (found && !found.isFile()) {
    if (found.isDirectory())
      throw new LifeboatError('usage', `${path} is a folder`, {
        hint: 'name a file in it, such as export.tar',
      });
    if (several)
      throw new LifeboatError('usage', `${path} is a device: it takes one volume, not several`, {
        hint: 'leave --volume-size out, or write files and put them on one tape each',
      });
    return deviceOutput(path, recordBytes, found);
  }
  for (let volume = 1; volume <= volumesExpected; volume++)
    await refuseExisting(volumePath(path, volume, several));
  checkRoom(dirname(first), bytesExpected);
  return filesOutput((volume) => volumePath(path, volume, several), recordBytes);
}

async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw failure('look at', path, error);
  }
}

async function refuseExisting(path: string): Promise<void> {
  if (await statOrNull(path))
    throw new LifeboatError('export-exists', `${path} exists already; it was not touched`);
}

function checkRoom(folder: string, bytesExpected: number): void {
  let free: number;
  try {
    const { bavail, bsize } = statfsSync(folder);
    free = bavail * bsize;
  } catch (error) {
    throw failure('write to', folder, error);
  }
  if (free >= bytesExpected) return;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new LifeboatError(
    'export-failed',
    `the export needs about ${mebibytes(bytesExpected)}, and ${folder} has ${mebibytes(free)} free; nothing was written`,
  );
}

async function writeAll(
  handle: FileHandle,
  path: string,
  bytes: Uint8Array,
  hints = fileHints,
): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; )
      done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
  } catch (error) {
    throw failure('write', path, error, hints);
  }
}

/** A tape drive takes what one call writes as one record; a pipe does not care. */
async function deviceOutput(path: string, recordBytes: number, { mode }: Stats): Promise<VolumeOutput> {
  const isPipe = (mode & constants.S_IFMT) === constants.S_IFIFO;
  let handle: FileHandle | null = null;
  return {
    pieceBytes: isPipe ? Math.ceil(filePieceBytes / recordBytes) * recordBytes : recordBytes,
    async open(): Promise<VolumeTarget> {
      try {
        handle = await open(path, constants.O_WRONLY);
      } catch (error) {
        throw failure('open', path, error);
      }
      const opened = handle;
      return {
        name: path,
        write: (bytes) => writeAll(opened, path, bytes, deviceHints),
        async finish() {
          handle = null;
          // A drive writes its file mark when it is closed.
          await opened.close().catch((error: unknown) => {
            throw failure('write', path, error, deviceHints);
          });
        },
      };
    },
    async abandon() {
      await handle?.close().catch(() => undefined); // the first failure is the one to tell
      return `what was written to ${path} is not complete, and \`lifeboat import\` refuses it`;
    },
  };
}

function filesOutput(pathOf: (volume: number) => string, recordBytes: number): VolumeOutput {
  const made: string[] = [];
  let handle: FileHandle | null = null;

  async function openVolume(volume: number): Promise<VolumeTarget> {
    const path = pathOf(volume);
    const partial = `${path}${partialSuffix}`;
    await refuseExisting(path);
    try {
      handle = await open(partial, 'w', 0o600);
    } catch (error) {
      throw failure('create', partial, error);
    }
    const opened = handle;
    made.push(partial);
    return {
      name: path,
      write: (bytes) => writeAll(opened, path, bytes),
      async finish() {
        try {
          await opened.sync();
          await opened.close();
          handle = null;
          await rename(partial, path);
          made[made.indexOf(partial)] = path;
          await syncFolder(dirname(path));
        } catch (error) {
          throw failure('write', path, error);
        }
      },
    };
  }

  return {
    pieceBytes: Math.ceil(filePieceBytes / recordBytes) * recordBytes,
    open: openVolume,
    async abandon() {
      await handle?.close().catch(() => undefined); // the first failure is the one to tell
      const left: string[] = [];
      for (const path of made)
        await rm(path, { force: true }).catch(() => {
          left.push(path);
        });
      return left.length === 0
        ? null
        : `${left.join(', ')} could not be removed and are of no use: the export is not complete`;
    },
  };
}
