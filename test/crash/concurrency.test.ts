import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { localStorage } from '../../src/storage/local/local.ts';
import { randomOf, seed } from '../random.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { lifeboat, type ProgramEnd, stockRestic } from './lifeboat.ts';

/**
 * Several processes of Lifeboat and of stock restic in one repository at once: backups of folders that change,
 * beside forget and prune of both. Whatever the order, in the end nothing that was kept is missing.
 */
const soak = process.env.LIFEBOAT_SOAK === '1';
const runMs = soak ? 5 * 60_000 : 15_000;
const writers = 3;
const filesPerWriter = 12;
const pauseMsMax = 1500;

const folder = mkdtempSync(join(tmpdir(), 'concurrency-'));
after(() => rmSync(folder, { recursive: true }));
const repository = join(folder, 'repository');

type Program = 'lifeboat' | 'restic';
const programs = { lifeboat, restic: stockRestic };
/** What a program that finds the repository locked says; restic before 0.17 ends with 1 in that case. */
const wasLocked = ({ status, stderr }: ProgramEnd): boolean =>
  status === 11 || /already locked|repository is (exclusively )?locked|unable to create lock/.test(stderr);

const said = ({ status, stdout, stderr }: ProgramEnd): string => `ended with ${status}:\n${stdout}${stderr}`;

interface Kept {
  readonly tag: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

describe(`many processes in one repository (LIFEBOAT_SEED=${seed})`, () => {
  test('lose nothing that is kept', async (t) => {
    await createCheapRepository(localStorage(repository));
    const until = performance.now() + runMs;
    const kept: Kept[] = [];
    const counts = { backups: 0, locked: 0, forgets: 0, prunes: 0 };

    async function runUnlessLocked(program: Program, args: readonly string[]): Promise<boolean> {
      // Of the two only Lifeboat knows it: restic 0.14 has no --retry-lock.
      const retry = program === 'lifeboat' && args[0] === 'backup' ? ['--retry-lock', '20s'] : [];
      const end = await programs[program](folder, ...args, '-r', repository, ...retry);
      if (wasLocked(end)) {
        counts.locked++;
        return false;
      }
      assert.equal(end.status, 0, `${program} ${args.join(' ')} ${said(end)}`);
      return true;
    }

    async function write(number: number): Promise<void> {
      const random = randomOf(`writer ${number}`);
      const source = join(folder, `source ${number}`);
      mkdirSync(source);
      const files = new Map<string, Buffer>();
      for (let round = 0; performance.now() < until; round++) {
        for (let n = 0; n < filesPerWriter; n++) {
          if (round > 0 && random.below(3) > 0) continue;
          // Some contents are shared by all writers and come again: blobs that prune may be about to delete.
          const content =
            random.below(2) === 0
              ? randomOf(`shared ${random.below(8)}`).bytes(30_000)
              : random.bytes(20_000);
          writeFileSync(join(source, `${n}`), content);
          files.set(join(source, `${n}`), content);
        }
        const keep = random.below(2) === 0;
        const tag = `${keep ? 'keep' : 'drop'}-${number}-${round}`;
        const program = (number + round) % 3 === 0 ? 'restic' : 'lifeboat';
        const tags = ['--tag', tag, '--tag', keep ? 'keep' : 'drop'];
        if (!(await runUnlessLocked(program, ['backup', source, ...tags]))) continue;
        counts.backups++;
        if (keep) kept.push({ tag, files: new Map(files) });
        await sleep(random.below(pauseMsMax)); // leaves a gap for an exclusive lock now and then
      }
    }

    async function tidy(): Promise<void> {
      const random = randomOf('tidy');
      for (let round = 0; performance.now() < until; round++) {
        const program = round % 2 === 0 ? 'lifeboat' : 'restic';
        const prune = ['prune', '--max-unused', '0'];
        const forget = ['forget', '--tag', 'drop', '--keep-last', '1', '--group-by', 'paths'];
        if (await runUnlessLocked(program, round % 4 < 2 ? forget : prune))
          counts[round % 4 < 2 ? 'forgets' : 'prunes']++;
        await sleep(random.below(pauseMsMax / 2));
      }
    }

    await Promise.all([...Array.from({ length: writers }, (_, number) => write(number)), tidy()]);
    t.diagnostic(JSON.stringify(counts));
    assert.ok(
      counts.backups >= writers && counts.prunes + counts.forgets >= 1,
      `too little happened: ${JSON.stringify(counts)}`,
    );

    assert.ok(await runUnlessLocked('lifeboat', ['prune', '--max-unused', '0']));
    for (const program of ['restic', 'lifeboat'] as const) {
      const end = await programs[program](folder, 'check', '--read-data', '-r', repository);
      assert.equal(end.status, 0, `${program} check ${said(end)}`);
    }
    for (const { tag, files } of soak ? kept : randomOf('restores').sample(kept, 6)) {
      const target = mkdtempSync(join(folder, 'restored-'));
      const end = await stockRestic(
        folder,
        'restore',
        'latest',
        '--tag',
        tag,
        '--target',
        target,
        '-r',
        repository,
      );
      assert.equal(end.status, 0, `restoring ${tag} ${said(end)}`);
      for (const [path, content] of files)
        assert.ok(readFileSync(join(target, path)).equals(content), `${path} of ${tag}`);
      rmSync(target, { recursive: true });
    }
  });
});
