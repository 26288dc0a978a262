import { open, readFile } from 'node:fs/promises';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Repository } from '../../repository/repository.ts';

/** Where a file of an export lies now. */
export type Place =
  | { readonly kind: 'memory'; readonly bytes: Buffer }
  /** In a volume, or a file of its own in the scratch folder. */
  | { readonly kind: 'part'; readonly path: string; readonly offset: number; readonly size: number }
  | { readonly kind: 'file'; readonly path: string; readonly size: number };

/** What was read of an export, as the storage of a repository that nobody can write to. */
export interface ExportedStorage {
  readonly storage: Repository['storage'];
  add(key: string, place: Place): void;
}

/** What is read from it lies in memory as a whole, so few at once; a disk serves no more any faster. */
const connections = 2;

const sizeOf = (place: Place): number => (place.kind === 'memory' ? place.bytes.length : place.size);

/** @param name of the export, for messages. */
export function createExportedStorage(name: string): ExportedStorage {
  const places = new Map<string, Place>();

  const refuse = async (): Promise<never> => {
    throw new LifeboatError('storage-denied', `${name} is only read`);
  };

  async function load(key: string, range?: { offset: number; length: number }): Promise<Buffer> {
    const place = places.get(key);
    if (!place) throw new LifeboatError('storage-missing-file', `${key} is not in ${name}`);
    const { offset, length } = range ?? { offset: 0, length: sizeOf(place) };
    if (place.kind === 'memory') return place.bytes.subarray(offset, offset + length);
    try {
      if (place.kind === 'file' && !range) return await readFile(place.path);
      const start = place.kind === 'part' ? place.offset : 0;
      return await readPart(place.path, start + offset, Math.max(0, Math.min(length, place.size - offset)));
    } catch (error) {
      throw new LifeboatError(
        'storage-failed',
        `${key} of ${name} cannot be read again from ${place.path}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  return {
    storage: {
      location: name,
      connections,
      create: refuse,
      save: refuse,
      remove: refuse,
      load,
      size: async (key) => {
        const place = places.get(key);
        return place ? sizeOf(place) : null;
      },
      list: async (prefix) =>
        [...places]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, place]) => ({ key, size: sizeOf(place) })),
      localPath(key) {
        const place = places.get(key);
        return place?.kind === 'file' ? place.path : null;
      },
    },
    add: (key, place) => void places.set(key, place),
  };
}

/** Fewer bytes where the file has become shorter. */
async function readPart(path: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return buffer.subarray(0, done);
  } finally {
    await handle.close();
  }
}
