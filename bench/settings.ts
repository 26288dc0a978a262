/** What a run was asked for, and where its data lie. */
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const checkout = dirname(import.meta.dirname);

export interface Settings {
  /** Runs of each program for each bar; the programs take turns. */
  readonly runs: number;
  /** Small data, to try the bench itself; its numbers say nothing about the bars. */
  readonly quick: boolean;
  /** Data sets and prepared repositories, kept between runs. */
  readonly setsFolder: string;
  /** Repositories and restored files of one run; removed when it ends. */
  readonly scratchFolder: string;
  /** Holds the other two and the results for programs. */
  readonly baseFolder: string;
  /** Tells a person what is going on. */
  readonly say: (text: string) => void;
}

export const runsDefault = 5;
export const runsMax = 50;
/** A single command that takes longer is stopped and counts as not measured. */
export const commandSecondsMax = 1800;

export function settingsOf(runs: number | undefined, quick: boolean, say: Settings['say']): Settings {
  const base = resolve(process.env.LIFEBOAT_BENCH_DIR || join(checkout, 'bench', '.data'));
  return {
    runs: runs ?? (quick ? 1 : runsDefault),
    quick,
    setsFolder: join(base, 'sets'),
    scratchFolder: join(base, `scratch-${process.pid}`),
    baseFolder: base,
    say,
  };
}

/** Why a measurement was not made: a missing program, too little space, a command that does not exist yet. */
export class NotMeasured extends Error {}

/** @throws NotMeasured when the bench's file system has less free space than that. */
export function needSpace(settings: Settings, bytes: number): void {
  mkdirSync(settings.setsFolder, { recursive: true });
  const { bavail, bsize } = statfsSync(settings.setsFolder);
  if (bavail * bsize >= bytes) return;
  const gigabytes = (value: number): string => (value / 1e9).toFixed(1);
  throw new NotMeasured(`needs ${gigabytes(bytes)} GB of free space, has ${gigabytes(bavail * bsize)} GB`);
}

/** An empty folder below the scratch folder. */
export function freshFolder(settings: Settings, name: string): string {
  const folder = join(settings.scratchFolder, name);
  removeFolder(folder);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Removes a folder of the bench, read-only parts of repositories included. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes everything that benches keep between runs. */
export function removeData({ baseFolder }: Settings): void {
  if (!existsSync(baseFolder)) return;
  for (const name of readdirSync(baseFolder))
    if (/^(sets|scratch-\d+|results(-trial)?\.json)$/.test(name)) removeFolder(join(baseFolder, name));
}
