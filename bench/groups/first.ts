import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type Recipe, warmDataSet } from '../data/data-set.ts';
import { postgres } from '../data/postgres.ts';
import { incompressible, libraries, smallFiles } from '../data/sets.ts';
import type { Contender } from '../measure/side-by-side.ts';
import type { Program } from '../programs/program.ts';
import {
  backupOf,
  cloneRepository,
  emptyRepository,
  proveBackup,
  repositoryBytes,
} from '../programs/repositories.ts';
import { needTar, tarCommand, tarName } from '../programs/tar.ts';
import type { BarRule } from '../report/comparison.ts';
import { freshFolder, NotMeasured, needSpace, removeFolder } from '../settings.ts';
import { type Bench, nameOf, present, runWork, takingPart, writer } from '../work.ts';

interface FirstBackup {
  readonly id: string;
  readonly recipe: (quick: boolean) => Recipe;
  readonly factor: number;
  readonly againstTar: boolean;
}

const backups: readonly FirstBackup[] = [
  { id: 'libraries', recipe: libraries, factor: 2.5, againstTar: true },
  { id: 'small-files', recipe: smallFiles, factor: 2, againstTar: false },
  { id: 'postgres', recipe: postgres, factor: 2.5, againstTar: false },
  { id: 'incompressible', recipe: incompressible, factor: 2, againstTar: false },
];

const sizeFactorMax = 1.03;
const tarFactorMax = 1.15;

/** First backup of each data set into a fresh repository. */
export async function first(bench: Bench): Promise<void> {
  for (const backup of backups) await firstBackup(bench, backup);
}

async function firstBackup(bench: Bench, { id, recipe, factor, againstTar }: FirstBackup): Promise<void> {
  const { settings, lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  const { title } = recipe(settings.quick);
  const rules: BarRule[] = [
    { program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor },
    { program: ours, peer, measure: 'storedBytes', kind: 'within', wanted: sizeFactorMax },
  ];
  if (againstTar)
    rules.push({ program: ours, peer: tarName, measure: 'seconds', kind: 'within', wanted: tarFactorMax });
  await runWork(bench, {
    id: `first/${id}`,
    group: 'first',
    title: `First backup, ${title}`,
    rules,
    async prepare() {
      const set = await warmDataSet(settings, recipe(settings.quick));
      needSpace(settings, 2 * set.bytes);
      const empty = await emptyRepository(settings, writer(bench), bench.lifeboat);
      const folder = freshFolder(settings, 'first');
      const contender = (program: Program, letter: string): Contender => {
        const repository = join(folder, letter);
        return {
          name: program.name,
          prepare: () => cloneRepository(empty, repository),
          command: () => program.command(repository, ...backupOf(set.folder)),
          async verify() {
            if (!(restic instanceof NotMeasured)) await proveBackup(restic, repository, set.bytes);
          },
          finish() {
            const bytes = repositoryBytes(repository);
            removeFolder(repository);
            return bytes;
          },
        };
      };
      const tar = (): Contender => {
        needTar();
        const target = join(folder, 'archive.tar.zst');
        return {
          name: tarName,
          command: () => tarCommand(set.folder, target),
          finish() {
            const { size } = statSync(target);
            removeFolder(target);
            return size;
          },
        };
      };
      const taking = await takingPart([
        [ours, () => contender(lifeboat, 'ours')],
        [peer, () => contender(present(restic), 'peer')],
        ...(againstTar ? [[tarName, tar] as const] : []),
      ]);
      return { detail: describe(set), ...taking };
    },
  });
}
