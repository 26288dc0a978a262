import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { treeDifferences } from '../compare-trees.ts';
import { json, jsonLines, missing, type Program, succeed } from '../programs.ts';
import { randomOf, seed } from '../random.ts';
import { cheapen } from '../repositories/cheapen.ts';
import { assertSound } from './interplay.ts';

/** restic/chunker cuts no piece smaller than this, and none larger than 16 times this. */
const chunkBytesMin = 512 * 1024;
const chunkBytesMax = 16 * chunkBytesMin;

/** Files of sizes around the chunker's limits, and what never meets the polynomial's condition: zeros. */
function makeFiles(folder: string): void {
  const random = randomOf('chunks', seed);
  mkdirSync(folder);
  for (const bytes of [0, 1, chunkBytesMin - 1, chunkBytesMin, chunkBytesMin + 1, 5 * chunkBytesMin])
    writeFileSync(join(folder, `${bytes} bytes`), random.bytes(bytes));
  for (const [name, bytes] of [
    ['zeros', 2 * chunkBytesMax + 1],
    ['one chunk of zeros', chunkBytesMax],
  ] as const) {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), bytes);
  }
  const hole = join(folder, 'data, hole, data');
  writeFileSync(hole, random.bytes(chunkBytesMin));
  truncateSync(hole, 3 * chunkBytesMin);
  writeFileSync(hole, random.bytes(10_000), { flag: 'a' });
}

/** Both programs on repositories that each created for itself, with the real cost of a password. */
export function cutAlike(ours: Program, theirs: Program, scratch: string): void {
  test(`Lifeboat and ${theirs.name} cut alike`, { skip: missing(theirs) }, async (t) => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    const folder = join(scratch, 'files');
    makeFiles(folder);
    const input = readFileSync(join(folder, `${5 * chunkBytesMin} bytes`));
    const options = { cwd: scratch };

    await t.test('in repositories that share a polynomial, each created by the other program', async () => {
      const alike = ['--copy-chunker-params'];
      await succeed(ours, ['init'], { repository: first });
      await cheapen(first);
      await succeed(theirs, ['init', ...alike], { repository: second, from: first });
      await cheapen(second);
      await succeed(ours, ['init', '--repository-version', '1', ...alike], {
        repository: third,
        from: second,
      });
      await cheapen(third);
      const polynomials = [];
      for (const repository of [first, second, third]) {
        const config = await json<{ chunker_polynomial: string }>(theirs, ['cat', 'config', '--no-lock'], {
          repository,
        });
        polynomials.push(config.chunker_polynomial);
      }
      assert.equal(new Set(polynomials).size, 1);
    });

    await t.test('files of every size', async () => {
      const trees = [];
      for (const [program, repository] of [
        [ours, first],
        [theirs, second],
        [ours, third],
      ] as const) {
        await succeed(program, ['backup', 'files'], { ...options, repository });
        const [snapshot] = await json<{ tree: string }[]>(program, ['snapshots', '--no-lock'], {
          repository,
        });
        trees.push(snapshot?.tree);
      }
      assert.equal(new Set(trees).size, 1, trees.join(' '));
    });

    await t.test('what comes on standard input as what is in a file', async () => {
      for (const [program, repository] of [
        [theirs, first],
        [ours, first],
        [ours, second],
      ] as const) {
        const lines = await jsonLines(program, ['backup', '--stdin'], { ...options, repository, input });
        assert.equal(lines.at(-1)?.data_blobs, 0, `${program.name} stored again what a file holds`);
      }
      const command = [
        'backup',
        '--stdin-from-command',
        '--',
        'cat',
        join(folder, `${5 * chunkBytesMin} bytes`),
      ];
      const lines = await jsonLines(ours, command, { ...options, repository: second });
      assert.equal(lines.at(-1)?.data_blobs, 0);
      assert.ok(
        Buffer.from(await succeed(theirs, ['dump', '--no-lock', 'latest', 'stdin'], { repository: second }))
          .length > 0,
      );
    });

    await t.test('and each restores what the other stored, with holes for zeros', async () => {
      const help = await succeed(theirs, ['restore', '--help']);
      for (const [program, repository] of [
        [ours, second],
        [theirs, first],
      ] as const) {
        // An old restic makes none.
        const holes = program === ours || help.includes('--sparse');
        const target = `${repository}-restored`;
        const args = ['restore', '--no-lock', 'latest', '--path', folder, '--target', target];
        await succeed(program, holes ? [...args, '--sparse'] : args, { repository });
        assert.deepEqual(treeDifferences(folder, join(target, 'files'), { holes }), []);
      }
      for (const repository of [first, second, third]) await assertSound(ours, repository);
    });
  });
}
