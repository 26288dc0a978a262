import assert from 'node:assert/strict';
import { repairSteps } from '../../src/cli/check-verdict.ts';
import { checkRepository } from '../../src/engine/check/check.ts';
import type { CheckProblem, CheckReport } from '../../src/engine/check/report.ts';
import { executeIndexRepair } from '../../src/engine/repair/execute-index.ts';
import { prepareIndexRepair } from '../../src/engine/repair/plan-index.ts';
import { executePackRepair, planPackRepair } from '../../src/engine/repair/repair-packs.ts';
import { executeSnapshotRepair, planSnapshotRepair } from '../../src/engine/repair/repair-snapshots.ts';
import type { Id } from '../../src/model/id.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { keyOf } from '../../src/repository/layout.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots, removeSnapshot } from '../../src/repository/snapshots.ts';

export interface Checked {
  readonly report: CheckReport;
  readonly problems: readonly CheckProblem[];
}

/** `check --read-data`. */
export async function checkAll(repository: Repository): Promise<Checked> {
  const problems: CheckProblem[] = [];
  const report = await checkRepository(
    repository,
    { readData: { kind: 'all' } },
    { problem: (problem) => problems.push(problem) },
  );
  assert.equal(report.errors, problems.length);
  return { report, problems };
}

/** What each command of the advice does, without its process. */
const commands: Readonly<Record<string, (repository: Repository, ids: readonly Id[]) => Promise<void>>> = {
  async check() {
    // The next round begins with one.
  },
  async 'repair index'(repository) {
    await executeIndexRepair(repository, await prepareIndexRepair(repository, false));
  },
  async 'repair packs'(repository, ids) {
    const index = await loadIndex(repository);
    await executePackRepair(repository, index, await planPackRepair(repository, index, ids));
  },
  async 'repair snapshots --forget'(repository, ids) {
    const { snapshots, broken } = await listSnapshots(repository, true);
    const index = await loadIndex(repository);
    const plan = await planSnapshotRepair(repository, index, ids.length > 0 ? [] : snapshots);
    await executeSnapshotRepair(repository, index, plan, { forget: true });
    for (const id of ids) if (broken.has(id)) await removeSnapshot(repository, id);
  },
  async 'key add'() {
    // The other key is as good.
  },
  async 'key remove'({ storage }, [id]) {
    await storage.remove(keyOf('keys', id as Id));
  },
};

const roundsMax = 4;

/** Does what the check advises until it finds nothing any more. */
export async function followAdvice(repository: Repository, first: CheckReport): Promise<void> {
  let report = first;
  for (let round = 0; report.errors > 0; round++) {
    assert.ok(round < roundsMax, 'following the advice comes to no end');
    const steps = repairSteps(report);
    assert.ok(steps.length > 0, 'there is no advice');
    for (const step of steps) {
      const words = step.split(' ').slice(1);
      const ids = words.filter((word) => /^[0-9a-f]{64}$/.test(word)) as Id[];
      const command = words.filter((word) => !/^[0-9a-f]{64}$/.test(word)).join(' ');
      await commands[command]!(repository, ids);
    }
    ({ report } = await checkAll(repository));
  }
}
