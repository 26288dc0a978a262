import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ByteString } from '../../src/core/bytestring.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { type EntryState, stateDifferences, treeState } from '../compare-trees.ts';
import { changeFiles, makeFiles } from '../interop/files.ts';
import { assertSound, snapshotsOf } from '../interop/interplay.ts';
import { jsonLines, lifeboat, missing, password, newestRustic as rustic, succeed } from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { cheapen } from '../repositories/cheapen.ts';

const scratch = mkdtempSync(join(tmpdir(), 'rustic-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

type State = ReadonlyMap<ByteString, EntryState>;

/** rustic stores no metadata of the folders that it was told to back up and of those above them. */
function below(state: State): State {
  return new Map([...state].filter(([name]) => name !== '.'));
}

/** A folder in two generations, each backed up by the maker; rustic names a path as it was given, so it is absolute. */
async function fill(name: string, backUp: (folder: string) => Promise<unknown>) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  await makeFiles(folder);
  const before: State = treeState(folder);
  await backUp(folder);
  changeFiles(folder);
  const now: State = treeState(folder);
  await backUp(folder);
  return { folder, states: [before, now] as const };
}

async function rusticSound(repository: string): Promise<void> {
  await succeed(rustic, ['check', '--read-data'], { repository });
}

for (const version of [1, 2] as const) {
  test(`rustic works on a repository of Lifeboat, version ${version}`, {
    skip: missing(rustic),
  }, async (t) => {
    const repository = join(scratch, `ours ${version}`);
    const at = { repository };
    await createCheapRepository(localStorage(repository), { version });
    const { folder, states } = await fill(`files of ours ${version}`, (path) =>
      succeed(lifeboat(), ['backup', path], at),
    );
    const [first, second] = await snapshotsOf(lifeboat(), repository);
    assert.ok(first && second);

    await t.test('checks it, every byte read', () => rusticSound(repository));

    await t.test('restores its snapshots', async () => {
      for (const [i, { id }] of [first, second].entries()) {
        const target = join(scratch, `restored ${version} ${i}`);
        await succeed(rustic, ['restore', id, target], at);
        assert.deepEqual(stateDifferences(below(states[i]!), below(treeState(join(target, folder)))), []);
      }
    });

    await t.test('backs up on top of it and stores no data twice', async () => {
      const printed = await succeed(rustic, ['backup', folder, '--json'], at);
      const { parent, summary } = JSON.parse(printed) as { parent: string; summary: Record<string, number> };
      assert.equal(parent, second.id);
      assert.equal(summary.data_blobs, 0);
      await assertSound(lifeboat(), repository);
    });

    await t.test('tags, rewrites, forgets and prunes', async () => {
      await succeed(rustic, ['tag', '--set', 'kept', first.id], at);
      assert.ok((await snapshotsOf(lifeboat(), repository)).some(({ tags }) => tags?.includes('kept')));
      await succeed(rustic, ['rewrite', '--forget', '--glob', '!large', second.id], at);
      await succeed(
        rustic,
        ['forget', '--keep-last', '1', '--prune', '--instant-delete', '--max-unused', '0B'],
        at,
      );
      assert.equal((await snapshotsOf(lifeboat(), repository)).length, 1);
      await assertSound(lifeboat(), repository);
      const target = join(scratch, `back ${version}`);
      await succeed(lifeboat(), ['restore', 'latest', '--target', target], at);
      assert.deepEqual(stateDifferences(below(states[1]), below(treeState(join(target, folder)))), []);
    });
  });

  test(`Lifeboat works on a repository of rustic, version ${version}`, {
    skip: missing(rustic),
  }, async (t) => {
    const repository = join(scratch, `theirs ${version}`);
    const at = { repository };
    if (version === 1) await createCheapRepository(localStorage(repository), { version });
    else {
      await succeed(rustic, ['init'], at);
      await cheapen(repository);
    }
    const { folder, states } = await fill(`files of theirs ${version}`, (path) =>
      succeed(rustic, ['backup', path], at),
    );
    const [first, second] = await snapshotsOf(lifeboat(), repository);
    assert.ok(first && second);

    await t.test('checks it, every byte read', () => assertSound(lifeboat(), repository));

    await t.test('restores its snapshots bit by bit, with all metadata', async () => {
      for (const [i, { id }] of [first, second].entries()) {
        const target = join(scratch, `restored theirs ${version} ${i}`);
        await succeed(lifeboat(), ['restore', id, '--target', target], at);
        assert.deepEqual(stateDifferences(below(states[i]!), below(treeState(join(target, folder)))), []);
      }
    });

    await t.test('backs up on top of it and stores no data twice', async () => {
      const lines = await jsonLines(lifeboat(), ['backup', folder], at);
      const { files_new, files_changed, data_blobs } = lines.at(-1)!;
      assert.deepEqual([files_new, files_changed, data_blobs], [0, 0, 0]);
      assert.equal((await snapshotsOf(lifeboat(), repository)).at(-1)?.parent, second.id);
      await rusticSound(repository);
    });

    await t.test('tags, copies, forgets and prunes', async () => {
      await succeed(lifeboat(), ['tag', '--add', 'kept', first.id], at);
      const copy = `${repository} copy`;
      const { config } = await openRepository(localStorage(repository), password);
      const { chunkerPolynomial } = config;
      await createCheapRepository(localStorage(copy), { version, chunkerPolynomial });
      await succeed(lifeboat(), ['copy'], { repository: copy, from: repository });
      await rusticSound(copy);
      const keep = ['--keep-last', '1', '--group-by', ''];
      await succeed(lifeboat(), ['forget', ...keep, '--prune', '--max-unused', '0'], at);
      await rusticSound(repository);
      const target = join(scratch, `back theirs ${version}`);
      await succeed(rustic, ['restore', 'latest', target], at);
      assert.deepEqual(stateDifferences(below(states[1]), below(treeState(join(target, folder)))), []);
    });
  });
}
