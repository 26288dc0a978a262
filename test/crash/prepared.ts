import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Id } from '../../src/model/id.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import { listFiles, openRepository, type Repository } from '../../src/repository/repository.ts';
import { listSnapshots, removeSnapshot } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { type Random, randomOf, seed } from '../random.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import { fingerprintOf } from './fingerprint.ts';
import { runCommand } from './run-command.ts';

/**
 * Repositories made once and copied for each crash: `base` has three snapshots of a folder that changed in
 * between; `forgotten` is the same without the first, so that packs hold what nobody needs; `empty` can take
 * copies, as it cuts files at the same places; `lost-index` lacks an index file; `lost-pack` lacks a pack, and
 * its index knows that.
 */
export type Template = 'base' | 'forgotten' | 'empty' | 'lost-index' | 'lost-pack';

export interface Prepared {
  readonly folder: string;
  /** The folder that was backed up; it has changed since the last snapshot. */
  readonly source: string;
  /** Where commands run that leave files in their working folder. */
  readonly workingFolder: string;
  readonly passwordFile: string;
  /** IDs of the snapshots of `base`, oldest first. */
  readonly snapshots: readonly Id[];
  /** Root trees of the snapshots of `base`, oldest first. */
  readonly trees: readonly Id[];
  /** What each of these trees must give back. */
  readonly fingerprints: ReadonlyMap<Id, string>;
  /** Content of the files of each generation, by their names below `source`. */
  readonly contents: readonly ReadonlyMap<string, Buffer>[];
  /** A fresh copy of a template; returns its path. */
  copy(template: Template): string;
  remove(): void;
}

const folders = ['a', 'a/deep', 'b', 'c'];
const filesPerFolder = 6;
const fileBytesMax = 9_000;

/** Content that compresses a little, as real files do. */
function contentOf(random: Random): Buffer {
  const bytes = random.bytes(1 + random.below(fileBytesMax));
  return random.below(3) === 0 ? Buffer.from(bytes.toString('hex')) : bytes;
}

/** Changes some files, adds one and deletes one. */
function change(source: string, random: Random, generation: number): void {
  for (const folder of folders) {
    if (generation === 0) mkdirSync(join(source, folder), { recursive: true });
    for (let n = 0; n < filesPerFolder; n++)
      if (generation === 0 || random.below(3) === 0)
        writeFileSync(join(source, folder, `file ${n}`), contentOf(random));
  }
  writeFileSync(join(source, 'b', `of generation ${generation}`), contentOf(random));
  rmSync(join(source, 'b', `of generation ${generation - 1}`), { force: true });
}

function filesOf(source: string): Map<string, Buffer> {
  const names = globSync('**', { cwd: source }).filter((name) => statSync(join(source, name)).isFile());
  return new Map(names.map((name) => [name, readFileSync(join(source, name))]));
}

export function openCopy(path: string): Promise<Repository> {
  return openRepository(localStorage(path), testPassword);
}

/** In memory where there is such a folder: thousands of small files are written and synced. */
function workFolder(): string {
  try {
    return mkdtempSync('/dev/shm/lifeboat-crash-');
  } catch {
    // Not Linux, or not writable: any temporary folder does, only slower.
    return mkdtempSync(join(tmpdir(), 'lifeboat-crash-'));
  }
}

/** Copies a repository and deletes a file of some kind in the copy. */
async function loseFile(from: string, to: string, kind: 'index' | 'data'): Promise<void> {
  cpSync(from, to, { recursive: true });
  const storage = localStorage(to);
  const files = await listFiles(storage, kind);
  const largest = files.reduce((one, other) => (other.size > one.size ? other : one));
  await storage.remove(keyOf(kind, largest.id));
}

export async function prepare(name: string): Promise<Prepared> {
  const folder = workFolder();
  const random = randomOf(name, seed);
  const source = join(folder, 'source');
  const pathOf = (template: Template): string => join(folder, template);
  const base = await createCheapRepository(localStorage(pathOf('base')));
  const contents: Map<string, Buffer>[] = [];
  for (let generation = 0; generation < 3; generation++) {
    change(source, random, generation);
    contents.push(filesOf(source));
    await backUp(base, source, {
      tags: [`generation-${generation}`],
      timeMs: Date.UTC(2026, 0, 1 + generation),
    });
  }
  change(source, random, 3);
  const { snapshots } = await listSnapshots(base);
  const trees = snapshots.map(({ tree }) => tree as Id);
  const reader = openBlobReader(base, await loadIndex(base));
  const fingerprints = new Map<Id, string>();
  for (const tree of trees) fingerprints.set(tree, await fingerprintOf(reader, tree));

  cpSync(pathOf('base'), pathOf('forgotten'), { recursive: true });
  await removeSnapshot(await openCopy(pathOf('forgotten')), snapshots[0]!.id);
  await loseFile(pathOf('base'), pathOf('lost-index'), 'index');
  await loseFile(pathOf('base'), pathOf('lost-pack'), 'data');
  await runCommand(['repair', 'index', '--repo', pathOf('lost-pack')]);
  const { chunkerPolynomial } = base.config;
  await createCheapRepository(localStorage(pathOf('empty')), { chunkerPolynomial });

  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, testPassword);
  const workingFolder = join(folder, 'working');
  mkdirSync(workingFolder);
  let copies = 0;
  return {
    folder,
    source,
    workingFolder,
    passwordFile,
    snapshots: snapshots.map(({ id }) => id),
    trees,
    fingerprints,
    contents,
    copy(template) {
      const path = join(folder, `copy-${copies++}`);
      cpSync(pathOf(template), path, { recursive: true });
      return path;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
