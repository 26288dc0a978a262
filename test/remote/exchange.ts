import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { treeDifferences } from '../compare-trees.ts';
import { json, lifeboat, type Program, succeed, systemRestic } from '../programs.ts';

/** How both programs are told to reach the same repository. */
export interface Reached {
  readonly repository: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Options that only one of them needs. */
  readonly resticOptions?: readonly string[];
}

/** Files of a few sizes, in a folder of this name. */
export function makeFiles(folder: string): string {
  const deep = join(folder, 'some', 'deep er', 'folder');
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'small'), 'small\n');
  writeFileSync(join(deep, 'large'), randomBytes(9_000_000));
  for (let n = 0; n < 50; n++) writeFileSync(join(deep, `file ${n}`), randomBytes(n * 97));
  return folder;
}

type Call = (args: readonly string[]) => Promise<string>;

function callOf(program: Program, { repository, env, resticOptions }: Reached): Call {
  const more = program.name === 'restic' ? (resticOptions ?? []) : [];
  return (args) => succeed(program, [...more, ...args], { repository, ...(env && { env }) });
}

/**
 * Each program checks and restores what the other one has just backed up, all at one place.
 * @param scratch an empty folder.
 */
export async function exchangeBackups(
  reached: Reached,
  creator: 'lifeboat' | 'restic',
  scratch: string,
): Promise<void> {
  const source = makeFiles(join(scratch, 'source'));
  const programs = { lifeboat: callOf(lifeboat(), reached), restic: callOf(systemRestic, reached) };
  const order =
    creator === 'lifeboat' ? (['lifeboat', 'restic'] as const) : (['restic', 'lifeboat'] as const);
  await programs[creator](['init']);
  for (const [n, writer] of order.entries()) {
    writeFileSync(join(source, `by ${writer}`), randomBytes(100_000 * (n + 1)));
    await programs[writer](['backup', source]);
    const reader = order[1 - n]!;
    await programs[reader](['check', '--read-data']);
    const target = join(scratch, `restored by ${reader}`);
    await programs[reader](['restore', 'latest', '--target', target]);
    assert.deepEqual(treeDifferences(source, join(target, source)), []);
    rmSync(target, { recursive: true });
  }
  const { repository, env } = reached;
  const snapshots = await json<unknown[]>(lifeboat(), ['snapshots'], { repository, ...(env && { env }) });
  assert.equal(snapshots.length, 2);
}
