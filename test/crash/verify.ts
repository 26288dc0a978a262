import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkRepository } from '../../src/engine/check/check.ts';
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

/** restic tries a damaged file again for up to a quarter of an hour; here that counts as failed. */
const resticMsMax = 20_000;
const timedOutStatus = 124;

/** Runs stock restic on a repository, without lock and cache. */
export function restic(path: string, ...args: string[]): Promise<ProgramResult> {
  const options = ['--repo', path, '--no-cache', '--no-lock', '--quiet'];
  const env = { PATH: process.env.PATH, RESTIC_PASSWORD: testPassword, HOME: path, GOMAXPROCS: '2' };
  return new Promise((resolve, reject) => {
    const child = execFile(
      'restic',
      [...options, ...args],
      { env, timeout: resticMsMax },
      (error, stdout, stderr) => {
        if (error?.killed) resolve({ status: timedOutStatus, output: stdout + stderr });
        else if (error && child.exitCode === null) reject(error);
        else resolve({ status: child.exitCode ?? -1, output: stdout + stderr });
      },
    );
  });
}

/** Asserts that stock restic finds nothing wrong, every byte read. */
export async function resticFindsItSound(path: string): Promise<void> {
  const { status, output } = await restic(path, 'check', '--read-data');
  assert.equal(status, 0, `restic check --read-data says:\n${output}`);
}

/** What must be true of the snapshots of a repository. */
export interface Expectation {
  /** Trees of which there must be a snapshot. */
  readonly trees: readonly Id[];
  /** Snapshots that must be there, or one that names them as its original. */
  readonly originals: readonly Id[];
}

/** Asserts that what is expected is there, and that every snapshot can be read and gives back what it held. */
export async function snapshotsAreWhole(
  path: string,
  prepared: Prepared,
  { trees, originals }: Expectation,
): Promise<void> {
  const repository = await openCopy(path);
  const { snapshots } = await listSnapshots(repository);
  const present = new Set(snapshots.map(({ tree }) => tree as Id));
  for (const tree of trees)
    assert.ok(present.has(tree), `the snapshot of generation ${prepared.trees.indexOf(tree)} is gone`);
  const known = new Set(snapshots.map(({ id, original }) => original ?? id));
  for (const id of originals) assert.ok(known.has(id), `snapshot ${id} is gone, and nothing took its place`);
  const index = await loadIndex(repository);
  const reader = openBlobReader(repository, index);
  try {
    for (const tree of present) {
      const found = await fingerprintOf(reader, tree);
      const expected = prepared.fingerprints.get(tree);
      if (expected) assert.equal(found, expected, 'a snapshot does not hold what it held');
    }
  } finally {
    reader.close();
  }
}

/** Asserts that Lifeboat's own check finds nothing wrong, every byte read. */
export async function checkFindsItSound(path: string): Promise<void> {
  const problems: string[] = [];
  const { errors } = await checkRepository(
    await openCopy(path),
    { readData: { kind: 'all' } },
    { problem: ({ message }) => problems.push(message) },
  );
  assert.deepEqual({ errors, problems }, { errors: 0, problems: [] });
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
