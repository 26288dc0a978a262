import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../src/core/bytestring.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { removeXattr } from '../../src/transport/posix.ts';
import { type EntryState, stateDifferences, treeState } from '../compare-trees.ts';
import {
  type JsonObject,
  json,
  jsonLines,
  missing,
  newestRestic,
  type Program,
  password,
  run,
  succeed,
} from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { cheapen } from '../repositories/cheapen.ts';
import { changeFiles, makeFiles } from './files.ts';
import { makeOddLinks } from './odd-files.ts';

/** What one program does with the repository of another; their command lines are the same. */

export interface Variant {
  readonly version: 1 | 2;
  readonly compression: 'auto' | 'off' | 'max';
}

export const variants: readonly Variant[] = [
  { version: 1, compression: 'auto' },
  { version: 2, compression: 'auto' },
  { version: 2, compression: 'off' },
  { version: 2, compression: 'max' },
];

export const nameOf = ({ version, compression }: Variant): string =>
  version === 1 ? 'version 1' : `version 2, compression ${compression}`;

/** A folder in two generations; the second is what it now holds. */
export interface Folder {
  /** Holds `files`, from where it is backed up by that name. */
  readonly parent: string;
  readonly states: readonly ReadonlyMap<ByteString, EntryState>[];
}

const backup = (compression: string): string[] => ['backup', 'files', '--compression', compression];

const openCheaply = (path: string): Promise<Repository> => openRepository(localStorage(path), password);

export interface Filled extends Variant {
  readonly maker: Program;
  readonly repository: string;
}

/**
 * A repository of each variant by each maker, all with the same chunker polynomial and each with two
 * snapshots of the same folder: before and after it changed.
 * @param odd with links that only a new restic keeps.
 */
export async function fill(
  scratch: string,
  makers: readonly Program[],
  odd: boolean,
): Promise<{ folder: Folder; repositories: readonly Filled[] }> {
  const repositories = makers.flatMap((maker) =>
    variants.map((variant) => ({
      maker,
      repository: join(scratch, `${maker.name} ${nameOf(variant)}`),
      ...variant,
    })),
  );
  let chunkerPolynomial: bigint | undefined;
  for (const { maker, version, repository } of repositories) {
    if (maker.name === 'lifeboat') {
      await createCheapRepository(localStorage(repository), {
        version,
        ...(chunkerPolynomial && { chunkerPolynomial }),
      });
      continue;
    }
    const alike = repositories.find((one) => one.maker === maker && one.version === version);
    if (alike && alike.repository !== repository) cpSync(alike.repository, repository, { recursive: true });
    else {
      const from = repositories[0]?.repository === repository ? undefined : repositories[0]?.repository;
      const args = [
        'init',
        '--repository-version',
        String(version),
        ...(from ? ['--copy-chunker-params'] : []),
      ];
      await succeed(maker, args, { repository, ...(from && { from }) });
      await cheapen(repository);
    }
    chunkerPolynomial ??= (await openCheaply(repository)).config.chunkerPolynomial;
  }

  const files = join(scratch, 'files');
  mkdirSync(files);
  await makeFiles(files);
  if (odd) {
    makeOddLinks(bytesOfText(join(files, 'odd')));
    // The format keeps names of attributes as text: this one cannot come back.
    removeXattr(bytesOfText(join(files, 'odd/plain.txt')), 'user.bad\xff<' as ByteString);
  }
  const states = [];
  for (const change of [() => undefined, changeFiles]) {
    change(files);
    states.push(treeState(files));
    const fillings = repositories.map(({ maker, repository, compression }) =>
      succeed(maker, backup(compression), { repository, cwd: scratch }),
    );
    await Promise.all(fillings);
  }
  return { folder: { parent: scratch, states }, repositories };
}

export interface Snapshot extends JsonObject {
  readonly id: string;
  readonly tree: string;
  readonly parent?: string;
  readonly tags?: readonly string[];
}

export const snapshotsOf = (program: Program, repository: string): Promise<Snapshot[]> =>
  json<Snapshot[]>(program, ['snapshots', '--no-lock'], { repository });

/** Asserts that a program finds a repository whole, every byte read. What only reads need not wait for a lock. */
export async function assertSound(program: Program, repository: string): Promise<void> {
  const printed = await succeed(program, ['check', '--read-data', '--no-lock'], { repository });
  assert.match(printed, /no errors were found/i);
}

/** Asserts that what a program restores of a snapshot is what was backed up. */
async function assertRestores(
  user: Program,
  repository: string,
  snapshot: string,
  state: Folder['states'][0],
): Promise<void> {
  const target = `${repository}-restored-${restores++}`;
  await succeed(user, ['restore', '--no-lock', snapshot, '--target', target], { repository });
  assert.deepEqual(stateDifferences(state, treeState(join(target, 'files'))), []);
}
let restores = 0;

/** Asserts that each object has all members of the one it is compared with, and their values. */
function assertCovers(found: readonly JsonObject[], known: readonly JsonObject[]): void {
  assert.equal(found.length, known.length);
  known.forEach((object, i) => {
    const same = Object.fromEntries(Object.keys(object).map((key) => [key, found[i]?.[key]]));
    assert.deepEqual(same, object);
  });
}

/** Whether a program has a command; an old restic may lack one. */
async function knows(program: Program, command: string): Promise<boolean> {
  return program.name === 'lifeboat' || (await run(program, [command, '--help'])).status === 0;
}

/**
 * Lets a program do everything to another's repository of two snapshots, which is changed by it; after each
 * change its maker must find it whole.
 */
export async function interplay(
  t: TestContext,
  { user, filled, folder }: { user: Program; filled: Filled; folder: Folder },
): Promise<void> {
  const { repository, maker, compression } = filled;
  const { parent, states } = folder;
  const at = { repository, cwd: parent };
  const [first, second] = await snapshotsOf(maker, repository);
  assert.ok(first && second);
  const [lifeboat, peer] = maker.name === 'lifeboat' ? [maker, user] : [user, maker];

  await t.test('checks it, every byte read', () => assertSound(user, repository));

  await t.test('lists its snapshots and what is in them', async () => {
    assertCovers(await snapshotsOf(lifeboat, repository), await snapshotsOf(peer, repository));
    for (const { id } of [first, second]) {
      const list = ['ls', '--no-lock', id];
      assertCovers(await jsonLines(lifeboat, list, at), await jsonLines(peer, list, at));
    }
    const text = readFileSync(join(parent, 'files/data/text'), 'utf8');
    assert.equal(await succeed(user, ['dump', '--no-lock', 'latest', '/files/data/text'], at), text);
  });

  await t.test('restores its snapshots bit by bit, with all metadata', async () => {
    await assertRestores(user, repository, first.id, states[0]!);
    await assertRestores(user, repository, second.id, states[1]!);
  });

  await t.test('backs up on top of it and stores nothing twice', async () => {
    const lines = await jsonLines(user, backup(compression), at);
    const { files_new, files_changed, data_blobs, tree_blobs, data_added } = lines.at(-1)!;
    const added = { files_new, files_changed, data_blobs, tree_blobs, data_added };
    assert.deepEqual(added, { files_new: 0, files_changed: 0, data_blobs: 0, tree_blobs: 0, data_added: 0 });
    const [, , third] = await snapshotsOf(maker, repository);
    assert.equal(third?.tree, second.tree);
    assert.equal(third?.parent, second.id);
    await assertSound(maker, repository);
  });

  await t.test('tags its snapshots', async () => {
    await succeed(user, ['tag', '--add', 'kept,of two', first.id], at);
    const tagged = (await snapshotsOf(maker, repository)).find(({ tree }) => tree === first.tree);
    assert.deepEqual(tagged?.tags, ['kept', 'of two']);
  });

  await t.test('copies its snapshots', async () => {
    const { version, chunkerPolynomial } = (await openCheaply(repository)).config;
    const copy = `${repository}-copy`;
    await createCheapRepository(localStorage(copy), { version, chunkerPolynomial });
    const args = ['copy', '--compression', compression];
    await succeed(user, args, { ...at, repository: copy, from: repository });
    const trees = async (path: string): Promise<string[]> =>
      (await snapshotsOf(maker, path)).map(({ tree }) => tree).sort();
    assert.deepEqual(await trees(copy), await trees(repository));
    await assertSound(maker, copy);
    await assertRestores(maker, copy, 'latest', states[1]!);
  });

  if (await knows(user, 'rewrite'))
    await t.test('rewrites its snapshots', async () => {
      await succeed(user, ['rewrite', '--exclude', '/files/data/large', '--forget', second.id], at);
      const snapshots = await snapshotsOf(maker, repository);
      const rewritten = snapshots.find(({ original }) => original === second.id);
      assert.ok(rewritten);
      const without = [...states[1]!].filter(([name]) => name !== 'data/large');
      await assertRestores(maker, repository, rewritten.id, new Map(without));
    });

  await t.test('forgets and prunes', async () => {
    const keep = ['--keep-last', '1', '--group-by', ''];
    await succeed(user, ['forget', ...keep, '--prune', '--max-unused', '0'], at);
    assert.equal((await snapshotsOf(maker, repository)).length, 1);
    await assertSound(maker, repository);
    await assertSound(user, repository);
    const { blobs } = await json<{ blobs: { unused: number } }>(lifeboat, ['prune', '--dry-run'], at);
    assert.equal(blobs.unused, 0);
  });
}

/** How many repositories are worked on at once: more than cores, as commands wait for their locks to settle. */
const concurrency = 4;

/** Each program uses what the other made, in every variant. */
export function interplayBothWays(ours: Program, theirs: Program, scratch: string): void {
  const name = `repositories of Lifeboat and ${theirs.name}`;
  test(name, { skip: missing(theirs), concurrency }, async (t) => {
    const { folder, repositories } = await fill(scratch, [theirs, ours], theirs === newestRestic);

    await t.test('hold the same trees, as both cut, encode and name everything alike', async () => {
      const trees = [];
      for (const { maker, repository } of repositories)
        trees.push((await snapshotsOf(maker, repository)).map(({ tree }) => tree));
      for (const found of trees) assert.deepEqual(found, trees[0]);
    });

    const tests = repositories.map((filled) => {
      const user = filled.maker === ours ? theirs : ours;
      return t.test(`${user.name} with one of ${filled.maker.name}, ${nameOf(filled)}`, (t) =>
        interplay(t, { user, filled, folder }),
      );
    });
    await Promise.all(tests);
  });
}
