import { join } from 'node:path';
import { dataSet, describe } from '../data/data-set.ts';
import { generations } from '../data/generations.ts';
import { warm } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import type { Program } from '../programs/program.ts';
import { cloneRepository, repositoryBytes } from '../programs/repositories.ts';
import { freshFolder, NotMeasured, needSpace, removeFolder } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart, writer } from '../work.ts';

const factor = 2;

/** forget --prune of half the snapshots; every run has a fresh copy of the same repository. */
export async function prune(bench: Bench): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  const { count, recipe } = generations(settings.quick, writer(bench), bench.lifeboat);
  const kept = count / 2;
  await runWork(bench, {
    id: 'prune/generations',
    group: 'prune',
    title: `forget --prune, ${kept} of ${count} snapshots`,
    rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
    async prepare() {
      const set = await dataSet(settings, recipe);
      needSpace(settings, 3 * set.bytes);
      const prepared = join(set.folder, 'repository');
      warm(prepared);
      const folder = freshFolder(settings, 'prune');
      const contender = (program: Program, letter: string): Contender => {
        const repository = join(folder, letter);
        return {
          name: program.name,
          prepare: () => cloneRepository(prepared, repository),
          command: () =>
            program.command(repository, 'forget', '--quiet', '--keep-last', String(kept), '--prune'),
          async verify() {
            if (!(restic instanceof NotMeasured)) await proveKept(restic, repository, kept);
          },
          finish() {
            const bytes = repositoryBytes(repository);
            removeFolder(repository);
            return bytes;
          },
        };
      };
      const taking = await takingPart([
        [ours, () => contender(lifeboat, 'ours')],
        [peer, () => contender(present(restic), 'peer')],
      ]);
      return { detail: `${describe(set)} in each`, ...taking };
    },
  });
}

/** @throws NotMeasured where the repository has errors or another number of snapshots. */
async function proveKept(reader: Program, repository: string, kept: number): Promise<void> {
  await measure(reader.command(repository, 'check'));
  const { stdout } = await measure(reader.command(repository, 'snapshots', '--json'));
  const left = (JSON.parse(stdout) as readonly unknown[]).length;
  if (left !== kept) throw new NotMeasured(`${left} snapshots are left, not ${kept}`);
}
