import { describe, warmDataSet } from '../data/data-set.ts';
import { libraries } from '../data/sets.ts';
import { warm } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import type { Program } from '../programs/program.ts';
import { backupOf, emptyRepository } from '../programs/repositories.ts';
import { needSpace } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart, writer } from '../work.ts';

const factor = 1.5;

/** Check that reads and decrypts every pack; all programs read the same repository. */
export async function check(bench: Bench): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  const recipe = libraries(settings.quick);
  await runWork(bench, {
    id: 'check/libraries',
    group: 'check',
    title: `check --read-data, ${recipe.title}`,
    rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
    async prepare() {
      const set = await warmDataSet(settings, recipe);
      needSpace(settings, 2 * set.bytes);
      const repository = await emptyRepository(settings, writer(bench), bench.lifeboat);
      await measure(writer(bench).command(repository, ...backupOf(set.folder)));
      warm(repository);
      const contender = (program: Program): Contender => ({
        name: program.name,
        command: () => program.command(repository, 'check', '--read-data', '--quiet'),
      });
      const taking = await takingPart([
        [ours, () => contender(lifeboat)],
        [peer, () => contender(present(restic))],
      ]);
      return { detail: describe(set), ...taking };
    },
  });
}
