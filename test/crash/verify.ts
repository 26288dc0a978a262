import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Id } from '../../src/model/id.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { testPassword } from '../repositories/cheap.ts';
import { fingerprintOf } from './fingerprint.ts';
import { openCopy, type Prepared } from './prepared.ts';

export interface ProgramResult {
  readonly status: number;
  readonly output: string;
}

/** Runs stock restic on a repository, without lock and cache. */
export function restic(path: string, ...args: string[]): Promise<ProgramResult> {
  const options = ['--repo', path, '--no-cache', '--no-lock', '--quiet'];
  const env = { PATH: process.env.PATH, RESTIC_PASSWORD: testPassword, HOME: path, GOMAXPROCS: '2' };
  return new Promise((resolve, reject) => {
    const child = execFile('restic', [...options, ...args], { env }, (error, stdout, stderr) => {
      if (error && child.exitCode === null) reject(error);
      else resolve({ status: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

/** Asserts that stock restic finds nothing wrong, every byte read. */
export async function resticFindsItSound(path: string): Promise<void> {
  const { status, output } = await restic(path, 'check', '--read-data');
  assert.equal(status, 0, `restic check --read-data says:\n${output}`);
}

/** Asserts that all snapshots can be read, that none of these trees lost its last one, and all give back what they held. */
export async function snapshotsAreWhole(
  path: string,
  prepared: Prepared,
  remains: readonly Id[],
): Promise<void> {
  const repository = await openCopy(path);
  const { snapshots } = await listSnapshots(repository);
  const present = new Set(snapshots.map(({ tree }) => tree));
  for (const tree of remains)
    assert.ok(present.has(tree), `the snapshot of generation ${prepared.trees.indexOf(tree)} is gone`);
  const reader = openBlobReader(repository, await loadIndex(repository));
  for (const tree of present) {
    const found = await fingerprintOf(reader, tree as Id);
    const expected = prepared.fingerprints.get(tree as Id);
    if (expected) assert.equal(found, expected, 'a snapshot does not hold what it held');
  }
}

/** Asserts that stock restic restores a generation as it was, file by file. */
export async function resticRestores(path: string, prepared: Prepared, generation: number): Promise<void> {
  const tree = prepared.trees[generation]!;
  const { snapshots } = await listSnapshots(await openCopy(path));
  const snapshot = snapshots.find((one) => one.tree === tree);
  assert.ok(snapshot, `generation ${generation} has a snapshot`);
  const target = `${path}-restored`;
  try {
    const { status, output } = await restic(path, 'restore', snapshot.id, '--target', target);
    assert.equal(status, 0, output);
    for (const [name, content] of prepared.contents[generation]!)
      assert.ok(readFileSync(join(target, prepared.source, name)).equals(content), name);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}
