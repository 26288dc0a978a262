import { readdirSync } from 'node:fs';
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
  const [base, many, large] = recipes.map(({ title }) => title) as [string, string, string];
  const half = `half of ${many}`;
  const grows: readonly (readonly [program: string, peer: string])[] = [
    [many, half],
    [large, base],
  ];
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
      ...grows.map(([program, peer]) => ({
        program,
        peer,
        measure: 'peakBytes' as const,
        kind: 'within' as const,
        wanted: growthMax,
      })),
    ],
    async prepare() {
      const empty = await emptyRepository(settings, writer(bench), bench.lifeboat);
      const folder = freshFolder(settings, 'memory');
      const contender = async (recipe: Recipe, name: string): Promise<Contender> => {
        const set = await warmDataSet(settings, recipe);
        const names = readdirSync(set.folder).sort();
        const files = name === half ? names.slice(0, names.length / 2) : [];
        const paths = files.length > 0 ? files.map((file) => join(set.folder, file)) : [set.folder];
        needSpace(settings, 1.5 * set.bytes);
        const repository = join(folder, name.replaceAll(' ', '-'));
        return {
          name,
          prepare: () => cloneRepository(empty, repository),
          command: () => lifeboat.command(repository, ...backupOf(...paths)),
          finish() {
            removeFolder(repository);
            return null;
          },
        };
      };
      const taking = await takingPart([
        ...recipes.map((recipe) => [recipe.title, () => contender(recipe, recipe.title)] as const),
        [half, () => contender(recipes[1]!, half)],
      ]);
      return { detail: 'the largest of all runs counts', ...taking };
    },
  });
}
