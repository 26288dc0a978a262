import { join } from 'node:path';
import { type Recipe, warmDataSet } from '../data/data-set.ts';
import { incompressible, largeFile, libraries } from '../data/sets.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { backupOf, cloneRepository, emptyRepository } from '../programs/repositories.ts';
import { freshFolder, needSpace, removeFolder } from '../settings.ts';
import { type Bench, runWork, takingPart, writer } from '../work.ts';

const peakBytesMax = 300e6;
/** What still counts as not growing: runs of the same backup differ by as much. */
const growthMax = 1.1;

/** The most memory of a first backup: bounded, and the same for more data and for larger files. */
export async function memory(bench: Bench): Promise<void> {
  const { settings, lifeboat } = bench;
  const recipes: readonly Recipe[] = [libraries, incompressible, largeFile].map((of) => of(settings.quick));
  const [base, ...larger] = recipes.map(({ title }) => title);
  await runWork(bench, {
    id: 'memory/first',
    group: 'memory',
    title: 'Peak memory of a first backup by Lifeboat',
    rules: [
      ...recipes.map(({ title }) => ({
        program: title,
        measure: 'peakBytes' as const,
        kind: 'within' as const,
        wanted: peakBytesMax,
      })),
      ...larger.map((program) => ({
        program,
        peer: base!,
        measure: 'peakBytes' as const,
        kind: 'within' as const,
        wanted: growthMax,
      })),
    ],
    async prepare() {
      const empty = await emptyRepository(settings, writer(bench), bench.lifeboat);
      const folder = freshFolder(settings, 'memory');
      const contender = async (recipe: Recipe): Promise<Contender> => {
        const set = await warmDataSet(settings, recipe);
        needSpace(settings, 1.5 * set.bytes);
        const repository = join(folder, recipe.name);
        return {
          name: recipe.title,
          prepare: () => cloneRepository(empty, repository),
          command: () => lifeboat.command(repository, ...backupOf(set.folder)),
          finish() {
            removeFolder(repository);
            return null;
          },
        };
      };
      const taking = await takingPart(recipes.map((recipe) => [recipe.title, () => contender(recipe)]));
      return { detail: 'the largest of all runs counts', ...taking };
    },
  });
}
