import { LifeboatError } from '../../core/errors.ts';
import type { Repository } from '../../repository/repository.ts';
import { unpackedFiles } from '../../repository/unpacked.ts';
import type { ExportedKind } from './names.ts';

type Add = (kind: ExportedKind, key: string, parts: readonly Uint8Array[]) => Promise<void>;

export interface Streamed {
  /** Reads from the repository; new packs and index files go to the export. */
  readonly repository: Repository;
  readonly add: Add;
  /** From now on index files are written at once; those before had to wait until all packs were written. */
  beginIndex(): Promise<void>;
}

/** A repository whose new files go to an export, packs before index files. */
export function streamView(source: Repository, add: Add): Streamed {
  let held: { key: string; parts: readonly Uint8Array[] }[] | null = [];
  const { location, connections, load, size, list, localPath } = source.storage;
  const storage: Repository['storage'] = {
    ...{ location, connections, load, size, list, localPath },
    create: () => Promise.resolve(),
    async save(key, parts) {
      if (key.startsWith('data/')) return add('data', key, parts);
      if (!key.startsWith('index/'))
        throw new LifeboatError('internal', `an export has no place for the new file ${key}`);
      if (held === null) await add('index', key, parts);
      else held.push({ key, parts });
    },
    remove(key) {
      throw new LifeboatError('internal', `an export was to delete ${key}`);
    },
  };
  const { sealer, config } = source;
  return {
    repository: { ...source, storage, files: unpackedFiles(storage, sealer, () => config.version) },
    add,
    async beginIndex() {
      const waiting = held ?? [];
      held = null;
      for (const { key, parts } of waiting) await add('index', key, parts);
    },
  };
}
