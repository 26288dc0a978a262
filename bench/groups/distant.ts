import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type DataSet, describe, type Recipe, warmDataSet } from '../data/data-set.ts';
import type { Place } from '../distance/place.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { type DistantProgram, distant } from '../programs/distant.ts';
import type { Program } from '../programs/program.ts';
import { backupOf, emptyRepository, proveBackup } from '../programs/repositories.ts';
import { restic } from '../programs/restic.ts';
import type { BarRule } from '../report/comparison.ts';
import { freshFolder, NotMeasured, needSpace, removeFolder } from '../settings.ts';
import { type Bench, nameOf, orReason, runWork, takingPart, writer } from '../work.ts';
import { assertSame } from './restore.ts';

/** Work on repositories elsewhere, by Lifeboat and by restic, each with its cache as it comes. */
export interface DistantWork {
  readonly group: string;
  readonly recipe: (quick: boolean) => Recipe;
  /** As its tables say it, such as `S3`. */
  readonly way: string;
  readonly open: () => Promise<Place>;
  /** How much faster than restic. */
  readonly factor: number;
  /** Requests for each of restic's at most. */
  readonly requestFactor?: number;
  /** Most memory of Lifeboat. */
  readonly bytesMax?: number;
}

/** What the programs find at the place. */
interface Ground {
  readonly place: Place;
  readonly set: DataSet;
  /** An empty local repository with a key of each program. */
  readonly empty: string;
  readonly bench: Bench;
}

type Prepare = (ground: Ground) => Promise<(program: DistantProgram, letter: string) => Promise<Contender>>;

async function runDistant(
  bench: Bench,
  work: DistantWork,
  action: string,
  title: string,
  prepare: Prepare,
): Promise<void> {
  const { settings, lifeboat } = bench;
  const peer = orReason(() => restic({ withCache: true }));
  const names = { program: lifeboat.name, peer: nameOf(peer, 'restic') };
  const recipe = work.recipe(settings.quick);
  const rules: BarRule[] = [{ ...names, measure: 'seconds', kind: 'faster', wanted: work.factor }];
  if (work.requestFactor)
    rules.push({ ...names, measure: 'requests', kind: 'within', wanted: work.requestFactor });
  if (work.bytesMax)
    rules.push({ program: names.program, measure: 'peakBytes', kind: 'within', wanted: work.bytesMax });
  let place: Place | undefined;
  try {
    await runWork(bench, {
      id: `${work.group}/${action}-${recipe.name.replace(/-\d+$/, '')}`,
      group: work.group,
      title: `${title}, ${work.way}, ${recipe.title}`,
      rules,
      async prepare() {
        const set = await warmDataSet(settings, recipe);
        needSpace(settings, 4 * set.bytes);
        const empty = await emptyRepository(settings, writer(bench), lifeboat);
        place = await work.open();
        const ground: Ground = { place, set, empty, bench };
        const contender = await prepare(ground);
        const { requests } = place;
        const taking = async (program: Program, letter: string): Promise<Contender> => ({
          ...(requests && { requests }),
          ...(await contender(distant(settings, program, ground.place, empty, letter === 'ours'), letter)),
        });
        return {
          detail: describe(set),
          ...(await takingPart([
            [names.program, () => taking(lifeboat, 'ours')],
            [
              names.peer,
              () => {
                if (peer instanceof NotMeasured) throw peer;
                return taking(peer, 'peer');
              },
            ],
          ])),
        };
      },
    });
  } finally {
    await place?.close();
  }
}

/** A contender's cache is gone before each run: the repository was not met before. */
const forget = ({ cache }: DistantProgram): void => removeFolder(cache);

/** First backup to an empty repository. */
export async function distantFirst(bench: Bench, work: DistantWork): Promise<void> {
  await runDistant(bench, work, 'first', 'First backup', async ({ place, set, empty }) => {
    return intoEmpty(bench, place, empty, set.bytes, (program, name) =>
      program.command(name, ...backupOf(set.folder)),
    );
  });
}

/** Contenders that fill an empty repository of their own in each run. */
function intoEmpty(
  bench: Bench,
  place: Place,
  empty: string,
  bytes: number,
  fill: (program: DistantProgram, name: string) => ReturnType<Program['command']>,
): (program: DistantProgram, letter: string) => Promise<Contender> {
  let run = 0;
  return async (program, letter) => {
    let name = '';
    return {
      name: program.name,
      async prepare() {
        forget(program);
        name = `${letter}-${++run}`;
        await place.put(empty, name);
      },
      command: () => fill(program, name),
      verify: () => prove(bench, place, empty, name, bytes),
      async finish() {
        await place.remove(name);
        return null;
      },
    };
  };
}

/** Lets restic look at what was written, whoever wrote it, without a cache: that of the measured one stays as it is. */
async function prove(bench: Bench, place: Place, empty: string, name: string, bytes: number): Promise<void> {
  const { restic: reader, settings } = bench;
  if (reader instanceof NotMeasured) return;
  await proveBackup(distant(settings, reader, { ...place, ...place.near }, empty, false), name, bytes);
}

/** Backup of what has not changed since the last, with whatever the program has kept of that in its cache. */
export async function distantUnchanged(bench: Bench, work: DistantWork): Promise<void> {
  await runDistant(bench, work, 'unchanged', 'Unchanged backup', async ({ place, set, empty }) => {
    return async (program, letter) => {
      await place.put(empty, letter);
      const command = () => program.command(letter, ...backupOf(set.folder));
      await measure(command());
      await measure(command());
      return { name: program.name, command, verify: () => prove(bench, place, empty, letter, set.bytes) };
    };
  });
}

/** Restore into an empty folder by a machine that has never seen the repository. */
export async function distantRestore(bench: Bench, work: DistantWork): Promise<void> {
  await runDistant(bench, work, 'restore', 'Restore', async ({ place, set, empty, bench: { settings } }) => {
    await measure(writer(bench).command(empty, ...backupOf(set.folder)));
    await place.put(empty, 'repository');
    const folder = freshFolder(settings, 'restore');
    return async (program, letter) => {
      let run = 0;
      let target = '';
      return {
        name: program.name,
        prepare() {
          forget(program);
          target = join(folder, `${letter}-${++run}`);
        },
        command: () => program.command('repository', 'restore', 'latest', '--quiet', '--target', target),
        verify: () => assertSame(set.folder, join(target, set.folder)),
      };
    };
  });
}

/** Copy of a local repository to an empty one that cuts files at the same places. */
export async function distantCopy(bench: Bench, work: DistantWork): Promise<void> {
  await runDistant(bench, work, 'copy', 'Copy of a local repository', async ({ place, set, empty }) => {
    const local = join(freshFolder(bench.settings, 'copy'), 'repository');
    spawnSync('cp', ['-a', empty, local]);
    await measure(writer(bench).command(local, ...backupOf(set.folder)));
    return intoEmpty(bench, place, empty, set.bytes, (program, name) => program.copyFrom(local, name));
  });
}
