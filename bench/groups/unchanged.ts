import { join } from 'node:path';
import { describe, warmDataSet } from '../data/data-set.ts';
import { smallFiles } from '../data/sets.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { borg } from '../programs/borg.ts';
import type { Program } from '../programs/program.ts';
import { backupOf, cloneRepository, emptyRepository } from '../programs/repositories.ts';
import { freshFolder, needSpace } from '../settings.ts';
import { type Bench, nameOf, orReason, present, runWork, takingPart, writer } from '../work.ts';

const resticFactor = 3;
const borgFactor = 1.5;

/** Backup of small files none of which has changed since the backup before. */
export async function unchanged(bench: Bench): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  const recipe = smallFiles(settings.quick);
  const borgProgram = orReason(() => borg(settings.scratchFolder));
  const borgName = nameOf(borgProgram, 'borg');
  await runWork(bench, {
    id: 'unchanged/small-files',
    group: 'unchanged',
    title: `Unchanged backup, ${recipe.title}`,
    rules: [
      { program: ours, peer, measure: 'seconds', kind: 'faster', wanted: resticFactor },
      { program: ours, peer: borgName, measure: 'seconds', kind: 'faster', wanted: borgFactor },
    ],
    async prepare() {
      const set = await warmDataSet(settings, recipe);
      needSpace(settings, 4 * set.bytes);
      const empty = await emptyRepository(settings, writer(bench), bench.lifeboat);
      const folder = freshFolder(settings, 'unchanged');
      const contender = async (program: Program, letter: string): Promise<Contender> => {
        const repository = join(folder, letter);
        cloneRepository(empty, repository);
        const command = () => program.command(repository, ...backupOf(set.folder));
        await measure(command());
        return { name: program.name, command };
      };
      const borgContender = async (): Promise<Contender> => {
        const program = present(borgProgram);
        const repository = join(folder, 'borg');
        await measure(program.command(repository, 'init', '--encryption=repokey'));
        let archive = 0;
        const command = () =>
          program.command(repository, 'create', '--compression', 'zstd,3', `::${archive++}`, set.folder);
        // Borg trusts its cache of files only where it is older than the backup that wrote it: twice.
        await measure(command());
        await measure(command());
        return { name: program.name, command };
      };
      const taking = await takingPart([
        [ours, () => contender(lifeboat, 'ours')],
        [peer, () => contender(present(restic), 'peer')],
        [borgName, borgContender],
      ]);
      return { detail: describe(set), ...taking };
    },
  });
}
