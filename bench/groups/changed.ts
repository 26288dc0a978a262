import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { dataSet, describe } from '../data/data-set.ts';
import { editBytes } from '../data/edits.ts';
import { libraries } from '../data/sets.ts';
import { warm } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import type { Program } from '../programs/program.ts';
import {
  backupOf,
  cloneRepository,
  emptyRepository,
  proveBackup,
  repositoryBytes,
} from '../programs/repositories.ts';
import { freshFolder, NotMeasured, needSpace } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart, writer } from '../work.ts';

const share = 0.01;
const factor = 2.5;

/** Backup after one percent of the bytes has changed, all over the files. */
export async function changed(bench: Bench): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  const recipe = libraries(settings.quick);
  await runWork(bench, {
    id: 'changed/libraries',
    group: 'changed',
    title: `Backup after 1% of the bytes changed, ${recipe.title}`,
    rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
    async prepare() {
      const set = await dataSet(settings, recipe);
      needSpace(settings, 4 * set.bytes);
      const empty = await emptyRepository(settings, writer(bench), bench.lifeboat);
      const folder = freshFolder(settings, 'changed');
      const files = join(folder, 'files');
      if (spawnSync('cp', ['-a', set.folder, files]).status !== 0)
        throw new NotMeasured('the files cannot be copied');
      const backedUp = async (program: Program, letter: string): Promise<Contender> => {
        const before = join(folder, `${letter}-before`);
        const repository = join(folder, letter);
        cloneRepository(empty, before);
        await measure(program.command(before, ...backupOf(files)));
        const beforeBytes = repositoryBytes(before);
        return {
          name: program.name,
          prepare: () => cloneRepository(before, repository),
          command: () => program.command(repository, ...backupOf(files)),
          async verify() {
            if (!(restic instanceof NotMeasured)) await proveBackup(restic, repository, set.bytes);
          },
          finish: () => repositoryBytes(repository) - beforeBytes,
        };
      };
      const taking = await takingPart([
        [ours, () => backedUp(lifeboat, 'ours')],
        [peer, () => backedUp(present(restic), 'peer')],
      ]);
      const edited = editBytes(files, share, 3000);
      warm(files);
      return { detail: `${describe(set)}; ${(edited / 1e6).toFixed(1)} MB changed`, ...taking };
    },
  });
}
