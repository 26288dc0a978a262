import { join } from 'node:path';
import { collect } from '../data/collect.ts';
import { type DataSet, dataSet, type Recipe } from '../data/data-set.ts';
import { smallFiles } from '../data/sets.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { sampleOf } from '../measure/statistics.ts';
import type { Program } from '../programs/program.ts';
import { backupOf, cloneRepository } from '../programs/repositories.ts';
import { type BarRule, barOf, missingRow, type Row } from '../report/comparison.ts';
import { type Extent, synthesise } from '../scale/synthesise.ts';
import { freshFolder, NotMeasured, type Settings } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart } from '../work.ts';

const unit: Extent = { snapshots: 20, blobs: 20_000 };
const filesOfSmallFolder = 200;
const indexBytesPerBlobMax = 64;

function repositoryRecipe(factor: number): Recipe {
  const extent = { snapshots: unit.snapshots * factor, blobs: unit.blobs * factor };
  return {
    name: `scale-${factor}`,
    title: `${factor}×: ${extent.snapshots.toLocaleString('en')} snapshots, ${extent.blobs.toLocaleString('en')} blobs`,
    version: 1,
    spaceBytes: extent.blobs * 1000,
    async make(folder) {
      await synthesise(join(folder, 'repository'), extent);
      return { files: extent.snapshots, bytes: extent.blobs };
    },
  };
}

/** How time and memory grow with the repository. There is nothing to pass here but the index's size. */
export async function scale(bench: Bench): Promise<void> {
  const { settings } = bench;
  const factors = settings.quick ? [1, 10] : [1, 10, 100];
  for (const factor of factors) await atScale(bench, repositoryRecipe(factor));
  await indexMemory(bench, repositoryRecipe(factors.at(-1)!));
}

async function smallFolder(settings: Settings): Promise<string> {
  const folder = freshFolder(settings, 'small-folder');
  const limits = { filesMax: filesOfSmallFolder, bytesMax: Number.POSITIVE_INFINITY };
  collect(folder, [(await dataSet(settings, smallFiles(settings.quick))).folder], () => true, limits);
  return folder;
}

interface Operation {
  readonly id: string;
  readonly title: string;
  readonly args: (folder: string) => readonly string[];
  /** Done once before the runs. */
  readonly before?: (folder: string) => readonly string[];
}

const operations: readonly Operation[] = [
  { id: 'open', title: 'cat config', args: () => ['cat', 'config'] },
  { id: 'snapshots', title: 'snapshots', args: () => ['snapshots'] },
  {
    id: 'backup',
    title: `unchanged backup of ${filesOfSmallFolder} files`,
    before: (folder) => backupOf(folder),
    args: (folder) => backupOf(folder),
  },
  { id: 'prune', title: 'prune --dry-run', args: () => ['prune', '--dry-run', '--quiet'] },
];

async function atScale(bench: Bench, recipe: Recipe): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  let set: DataSet | undefined;
  let folder = '';
  for (const { id, title, args, before } of operations) {
    await runWork(bench, {
      id: `scale/${recipe.name}/${id}`,
      group: 'scale',
      title: `${title}, ${recipe.title}`,
      rules: [],
      async prepare() {
        set ??= await dataSet(settings, recipe);
        folder ||= await smallFolder(settings);
        const clones = freshFolder(settings, 'scale');
        const original = join(set.folder, 'repository');
        const contender = async (program: Program, letter: string): Promise<Contender> => {
          const repository = join(clones, letter);
          if (before) {
            cloneRepository(original, repository);
            await measure(program.command(repository, ...before(folder)));
          }
          const used = before ? repository : original;
          return { name: program.name, command: () => program.command(used, ...args(folder)) };
        };
        const taking = await takingPart([
          [lifeboat.name, () => contender(lifeboat, 'ours')],
          [nameOf(restic, 'restic'), () => contender(present(restic), 'peer')],
        ]);
        return { detail: '', ...taking };
      },
    });
  }
}

interface IndexMemory {
  readonly blobs: number;
  readonly packs: number;
  /** Of the table in shared memory, and of everything else. */
  readonly tableBytes: number;
  readonly heapBytes: number;
}

async function indexMemory(bench: Bench, recipe: Recipe): Promise<void> {
  const program = 'index in memory, for each blob';
  const rule: BarRule = { program, measure: 'peakBytes', kind: 'within', wanted: indexBytesPerBlobMax };
  let row: Row;
  let detail = recipe.title;
  try {
    const { folder } = await dataSet(bench.settings, recipe);
    const script = join(import.meta.dirname, '..', 'scale', 'index-memory.ts');
    const { stdout } = await measure({
      file: process.execPath,
      args: ['--expose-gc', '--disable-warning=ExperimentalWarning', script, join(folder, 'repository')],
    });
    const { blobs, packs, tableBytes, heapBytes } = JSON.parse(stdout) as IndexMemory;
    const each = (bytes: number): string => `${(bytes / blobs).toFixed(1)} B`;
    detail =
      `${blobs.toLocaleString('en')} blobs in ${packs.toLocaleString('en')} packs; ` +
      `table ${each(tableBytes)}, the rest ${each(heapBytes)}`;
    row = {
      program,
      seconds: null,
      peakBytes: sampleOf([(tableBytes + heapBytes) / blobs]),
      storedBytes: null,
      reason: null,
    };
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
    row = missingRow(program, error.message);
  }
  bench.emit({
    id: 'scale/index-memory',
    group: 'scale',
    title: 'Memory of the loaded index',
    detail,
    rows: [row],
    bars: [barOf(rule, [row])],
    runs: 1,
  });
}
