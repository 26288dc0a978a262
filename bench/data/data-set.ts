import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { warm } from '../measure/files.ts';
import { needSpace, removeFolder, type Settings } from '../settings.ts';

/** Files to back up, made once and kept for later runs. */
export interface DataSet {
  readonly name: string;
  /** As the table calls it. */
  readonly title: string;
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
}

export interface Content {
  readonly files: number;
  readonly bytes: number;
}

export interface Recipe {
  /** Folder name; sets of other sizes have other names. */
  readonly name: string;
  readonly title: string;
  /** Raised when the recipe changes, so that old data are made anew. */
  readonly version: number;
  /** Free space that making it takes. */
  readonly spaceBytes: number;
  /**
   * Fills an empty folder.
   * @returns what the set holds. @throws NotMeasured when this machine cannot make it.
   */
  readonly make: (folder: string, settings: Settings) => Promise<Content> | Content;
}

/** The set of a recipe, made now if it is not there yet. @throws NotMeasured with the reason it cannot be made. */
export async function dataSet(settings: Settings, recipe: Recipe): Promise<DataSet> {
  const { name, title, version } = recipe;
  const folder = join(settings.setsFolder, name);
  const manifest = `${folder}.json`;
  if (existsSync(manifest)) {
    const known = JSON.parse(readFileSync(manifest, 'utf8')) as Content & { readonly version: number };
    if (known.version === version && existsSync(folder))
      return { name, title, folder, files: known.files, bytes: known.bytes };
  }
  needSpace(settings, recipe.spaceBytes);
  settings.say(`making the data set ${name}`);
  removeFolder(manifest);
  removeFolder(folder);
  mkdirSync(folder, { recursive: true });
  const { files, bytes } = await recipe.make(folder, settings);
  spawnSync('sync');
  writeFileSync(manifest, JSON.stringify({ version, files, bytes }));
  return { name, title, folder, files, bytes };
}

/** The same, read once so that it is in the page cache. */
export async function warmDataSet(settings: Settings, recipe: Recipe): Promise<DataSet> {
  const set = await dataSet(settings, recipe);
  warm(set.folder);
  return set;
}

/** What a set holds, for people. */
export function describe({ title, files, bytes }: DataSet): string {
  return `${title}: ${files.toLocaleString('en')} files, ${(bytes / 1e6).toFixed(0)} MB`;
}
