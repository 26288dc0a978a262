import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { visitFiles } from '../measure/files.ts';
import { measure } from '../measure/process.ts';
import { initialise } from '../programs/keys.ts';
import type { Program } from '../programs/program.ts';
import { backupOf } from '../programs/repositories.ts';
import { freshFolder, removeFolder } from '../settings.ts';
import { collect } from './collect.ts';
import { dataSet, type Recipe } from './data-set.ts';
import { createRandom } from './random.ts';
import { libraries, smallFiles } from './sets.ts';

export interface Generations {
  readonly count: number;
  readonly recipe: Recipe;
}

/** Of the files, so many hundredths change from one generation to the next. */
const percentMin = 1;
const percentMax = 2;
const rewrittenBytesMax = 256 * 1024;

/** Gives a file new content of its size; of a large one only the beginning. */
function rewrite(path: string, seed: number): void {
  const bytes = Math.min(statSync(path).size, rewrittenBytesMax);
  // Hexadecimal digits, so that the content can be compressed, as most content can.
  const text = createRandom(seed)
    .fill(Buffer.alloc(Math.ceil(bytes / 8) * 4))
    .toString('hex');
  writeFileSync(path, text.slice(0, bytes), { flag: 'r+' });
}

/** A repository with backups of files that change a little from one to the next. */
export function generations(quick: boolean, program: Program, lifeboat: Program): Generations {
  const count = quick ? 6 : 20;
  const librariesBytesMax = quick ? 30e6 : 300e6;
  const smallFilesMax = quick ? 2_000 : 20_000;
  const name = `generations-${count}-${program.name.replaceAll(/[^\w.-]+/g, '-').toLowerCase()}`;
  const recipe: Recipe = {
    name,
    title: `${count} generations`,
    version: 2,
    spaceBytes: 5 * librariesBytesMax,
    async make(folder, settings) {
      const files = freshFolder(settings, 'generations');
      const sources = [
        [
          await dataSet(settings, libraries(quick)),
          { filesMax: Number.POSITIVE_INFINITY, bytesMax: librariesBytesMax },
        ],
        [
          await dataSet(settings, smallFiles(quick)),
          { filesMax: smallFilesMax, bytesMax: Number.POSITIVE_INFINITY },
        ],
      ] as const;
      for (const [set, limits] of sources) collect(files, [set.folder], () => true, limits);
      const all: string[] = [];
      let bytes = 0;
      visitFiles(files, (path, size) => {
        all.push(path);
        bytes += size;
      });
      const repository = join(folder, 'repository');
      await initialise(repository, program, lifeboat);
      const random = createRandom(4000);
      for (let generation = 1; generation <= count; generation++) {
        settings.say(`making generation ${generation} of ${count}`);
        await measure(program.command(repository, ...backupOf(files)));
        const percent = percentMin + random.below(100 * (percentMax - percentMin)) / 100;
        for (let changes = Math.ceil((all.length * percent) / 100); changes > 0; changes--)
          rewrite(all[random.below(all.length)]!, random.below(2 ** 31));
      }
      removeFolder(files);
      return { files: all.length, bytes };
    },
  };
  return { count, recipe };
}
