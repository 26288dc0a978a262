import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Ended, lifeboat, linesOf, run, succeed, systemRestic } from '../programs.ts';
import { randomOf, seed } from '../random.ts';
import { cheapen } from '../repositories/cheapen.ts';

/** Repositories that restic made, damaged, repaired by Lifeboat, and judged by restic. */

const files = 12;
const scratch = mkdtempSync(join(tmpdir(), 'repair-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function overwrite(path: string, position: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, position);
  chmodSync(path, 0o600);
  writeFileSync(path, content);
}

const packsBySize = (repository: string): string[] =>
  globSync('data/*/*', { cwd: repository })
    .map((path) => join(repository, path))
    .sort((a, b) => statSync(b).size - statSync(a).size);
const only = (repository: string, folder: string): string =>
  join(repository, globSync(`${folder}/*`, { cwd: repository }).sort()[0]!);

/** What is done to a copy, and how many of the files come back whole after the repair. */
const damages: Readonly<Record<string, readonly [damage: (repository: string) => void, whole: number]>> = {
  'an index file is gone': [(repository) => rmSync(only(repository, 'index')), files],
  'an index file is damaged': [
    (repository) => overwrite(only(repository, 'index'), 50, Buffer.from('damage')),
    files,
  ],
  'a file in a pack is damaged': [
    (repository) => overwrite(packsBySize(repository)[0]!, 100, Buffer.from('damage')),
    files - 1,
  ],
  'the header of a pack is damaged': [
    (repository) => {
      const pack = packsBySize(repository)[0]!;
      overwrite(pack, statSync(pack).size - 20, Buffer.from('damage'));
    },
    files,
  ],
  'a pack lost its end': [
    (repository) => {
      const pack = packsBySize(repository)[0]!;
      chmodSync(pack, 0o600);
      truncateSync(pack, statSync(pack).size - 30);
    },
    files,
  ],
  'the pack of data is gone': [
    (repository) => renameSync(packsBySize(repository)[0]!, join(scratch, 'gone')),
    0,
  ],
};

/** Follows what `check` advises until it finds nothing more. Returns the commands. */
async function repair(repository: string, cwd: string): Promise<string[]> {
  const done: string[] = [];
  for (let round = 0; round < 4; round++) {
    const checked = await run(lifeboat(), ['check', '--read-data'], { repository });
    if (checked.status === 0) return done;
    assert.equal(checked.status, 1);
    for (const command of advised(checked)) {
      await succeed(lifeboat(), command, { repository, cwd });
      done.push(command.slice(0, 2).join(' '));
    }
  }
  throw new Error(`no end of ${done.join(', ')}`);
}

function advised({ stderr }: Ended): string[][] {
  return linesOf(stderr)
    .map((line) => /^ {2}lifeboat (repair .*)$/.exec(line)?.[1]?.split(' '))
    .filter((words) => words !== undefined);
}

for (const version of ['1', '2']) {
  describe(`a repository of version ${version} by restic, damaged and repaired (LIFEBOAT_SEED=${seed})`, () => {
    const source = join(scratch, `source ${version}`);
    const sound = join(scratch, `sound ${version}`);
    const contents = new Map<string, Buffer>();
    before(async () => {
      mkdirSync(source);
      const random = randomOf('repair', seed);
      for (let n = 0; n < files; n++) {
        const name = `file ${n}`;
        contents.set(name, random.bytes(2000 + random.below(5000)));
        writeFileSync(join(source, name), contents.get(name)!);
      }
      await succeed(systemRestic, ['init', '--repository-version', version], { repository: sound });
      await cheapen(sound);
      await succeed(systemRestic, ['backup', '.'], { repository: sound, cwd: source });
    });

    // The versions differ in the encoding of files only: of the older one, one pack is enough.
    const chosen = Object.entries(damages).filter(([what]) => version === '2' || what.includes('in a pack'));
    for (const [what, [damage, whole]] of chosen) {
      test(`is sound to restic again where ${what}, with all that was left`, async () => {
        const folder = mkdtempSync(join(scratch, 'case-'));
        const repository = join(folder, 'repository');
        cpSync(sound, repository, { recursive: true });
        damage(repository);
        assert.ok((await repair(repository, folder)).length > 0);

        await succeed(systemRestic, ['check', '--read-data'], { repository });
        const target = join(folder, 'restored');
        await succeed(systemRestic, ['restore', 'latest', '--target', target], { repository });
        const restored = globSync('**/file *', { cwd: target }).map((path) => join(target, path));
        const same = restored.filter((path) => readFileSync(path).equals(contents.get(basename(path))!));
        assert.equal(restored.length, files, 'every file is there, if only its name');
        assert.equal(same.length, whole);
      });
    }

    test('gives back folders of a forgotten snapshot that restic can read', async () => {
      const folder = mkdtempSync(join(scratch, 'case-'));
      const repository = join(folder, 'repository');
      cpSync(sound, repository, { recursive: true });
      rmSync(only(repository, 'snapshots'));
      assert.match(await succeed(lifeboat(), ['recover'], { repository }), /saved new snapshot/);
      await succeed(systemRestic, ['check', '--read-data'], { repository });
      const names = linesOf(
        await succeed(systemRestic, ['ls', '--tag', 'recovered', 'latest'], { repository }),
      );
      assert.equal(names.filter((line) => line.includes('/file ')).length, files);
    });
  });
}
