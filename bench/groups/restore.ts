import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, type Recipe, warmDataSet } from '../data/data-set.ts';
import { libraries, smallFiles } from '../data/sets.ts';
import { warm } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import type { Program } from '../programs/program.ts';
import { backupOf, emptyRepository } from '../programs/repositories.ts';
import { freshFolder, NotMeasured, needSpace } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart, writer } from '../work.ts';

const factor = 2;

/** Restore of everything into an empty folder; all programs read the same repository. */
export async function restore(bench: Bench): Promise<void> {
  await restoreOf(bench, 'libraries', libraries(bench.settings.quick));
  await restoreOf(bench, 'small-files', smallFiles(bench.settings.quick));
}

/** @throws NotMeasured where a restored folder is not what was backed up. */
export function assertSame(original: string, restored: string): void {
  const { status, stdout, stderr } = spawnSync('diff', ['-rq', '--no-dereference', original, restored], {
    encoding: 'utf8',
  });
  const first = `${stdout}${stderr}`.trim().split('\n')[0];
  if (status !== 0) throw new NotMeasured(`what was restored differs: ${first}`);
}

async function restoreOf(bench: Bench, id: string, recipe: Recipe): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  await runWork(bench, {
    id: `restore/${id}`,
    group: 'restore',
    title: `Restore, ${recipe.title}`,
    rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
    async prepare() {
      const set = await warmDataSet(settings, recipe);
      needSpace(settings, (2 * settings.runs + 2) * set.bytes);
      const repository = await emptyRepository(settings, writer(bench), bench.lifeboat);
      await measure(writer(bench).command(repository, ...backupOf(set.folder)));
      warm(repository);
      const folder = freshFolder(settings, 'restore');
      const contender = (program: Program, letter: string): Contender => {
        let run = 0;
        let target = '';
        return {
          name: program.name,
          // What was restored stays until the group ends: ext4 searches long for an inode while many were
          // deleted minutes ago, and that would be measured instead.
          prepare() {
            target = join(folder, `${letter}-${++run}`);
          },
          command: () => program.command(repository, 'restore', 'latest', '--quiet', '--target', target),
          verify: () => assertSame(set.folder, join(target, set.folder)),
        };
      };
      const taking = await takingPart([
        [ours, () => contender(lifeboat, 'ours')],
        [peer, () => contender(present(restic), 'peer')],
      ]);
      return { detail: describe(set), ...taking };
    },
  });
}
