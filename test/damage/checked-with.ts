import { checkRepository } from '../../src/engine/check/check.ts';
import type { CheckNote, CheckProblem, CheckReport } from '../../src/engine/check/report.ts';
import type { DataSubset } from '../../src/engine/check/subset.ts';
import type { Repository } from '../../src/repository/repository.ts';

export interface CheckedWith {
  readonly report: CheckReport;
  readonly problems: readonly CheckProblem[];
  readonly notes: readonly CheckNote[];
}

/** A check, with all that it told. */
export async function repositoryCheckedWith(
  repository: Repository,
  readData: DataSubset | null,
): Promise<CheckedWith> {
  const problems: CheckProblem[] = [];
  const notes: CheckNote[] = [];
  const report = await checkRepository(
    repository,
    { readData },
    { problem: (problem) => problems.push(problem), note: (note) => notes.push(note) },
  );
  return { report, problems, notes };
}
