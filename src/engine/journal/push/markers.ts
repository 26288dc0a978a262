import { readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOfText } from '../../../core/bytestring.ts';
import { errnoOf } from '../../../core/errors.ts';
import { makeFolders } from '../../../core/folders.ts';

/**
 * A marker says that an archived file is durable in every repository, so that `bin/lifeboat` need not start
 * anything to answer PostgreSQL: `<run folder>/wal<data directory>/<name>.ok` with the names of source and
 * configuration as its two lines.
 *
 * Beside them `serving` tells that files are stored before they are asked for, with the process as its third line:
 * `bin/lifeboat` then waits a little for a marker.
 *
 * Only whoever serves can write there. A marker is believed while the file is not newer than it; it is
 * removed when PostgreSQL has taken note (its `.ready` is gone), and all of them when serving begins and ends.
 */
export interface Markers {
  add(name: string): Promise<void>;
  /** Removes those of files that PostgreSQL does not wait for any more. */
  keepOnly(ready: ReadonlySet<string>): Promise<void>;
  clear(): Promise<void>;
}

export interface MarkerOptions {
  /** Whether files are stored before they are asked for. */
  readonly lookAhead: boolean;
  readonly runFolder: string;
  readonly dataDirectory: string;
  readonly source: string;
  /** Absolute path of the configuration. */
  readonly configPath: string;
}

const suffix = '.ok';
const serving = 'serving';

export async function openMarkers(options: MarkerOptions): Promise<Markers> {
  const folder = join(options.runFolder, 'wal', await realpath(options.dataDirectory));
  makeFolders(bytesOfText(folder), 0o755);
  const content = `${options.source}\n${options.configPath}\n`;
  const present = new Set<string>();

  /** Under its name it is whole at once: a shell reads it. */
  async function write(file: string, content: string): Promise<void> {
    const path = join(folder, file);
    await writeFile(`${path}.new`, content, { mode: 0o644 });
    await rename(`${path}.new`, path);
  }
  async function remove(file: string): Promise<void> {
    present.delete(file);
    await rm(join(folder, file), { force: true });
  }
  const markers: Markers = {
    async add(name) {
      const file = `${name}${suffix}`;
      await write(file, content);
      present.add(file);
    },
    async keepOnly(ready) {
      for (const file of present) if (!ready.has(file.slice(0, -suffix.length))) await remove(file);
    },
    async clear() {
      for (const file of await listFolder(folder)) await remove(file);
    },
  };
  await markers.clear();
  if (options.lookAhead) await write(serving, `${content}${process.pid}\n`);
  return markers;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((file) => /^(?:.*\.ok|serving)(?:\.new)?$/.test(file));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
