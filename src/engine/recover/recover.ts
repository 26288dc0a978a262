import { userInfo } from 'node:os';
import {
  type AmcheckResult,
  checkWithAmcheck,
  superuserOf,
} from '../../sources/postgres/recovery/inspection.ts';
import { executeRecovery, type RecoverEvents, type RecoveryReport } from './execute.ts';
import { lastCommitOf, type PreparedRecovery } from './prepare.ts';

export interface RecoverRun {
  readonly binDirectory: string | null;
  /** Names that a superuser of the cluster may have. */
  readonly users: readonly string[];
  readonly workers: number | undefined;
  readonly signal: AbortSignal;
  readonly events: RecoverEvents;
}

export interface RecoveredCluster extends RecoveryReport {
  /** null where it was not asked for. */
  readonly amcheck: AmcheckResult | null;
}

/** Executes a prepared recovery, with the check of tables and indexes where that was asked for. @throws as `executeRecovery`. */
export async function recover(prepared: PreparedRecovery, run: RecoverRun): Promise<RecoveredCluster> {
  let amcheck: AmcheckResult | null = null;
  const users = [...run.users, 'postgres', userInfo().username];
  const report = await executeRecovery({
    ...prepared,
    ...(run.workers === undefined ? {} : { workers: run.workers }),
    binDirectory: run.binDirectory,
    signal: run.signal,
    lastCommitMs: () => lastCommitOf(prepared),
    ...(prepared.input.amcheck
      ? {
          async inspect(server, programs) {
            run.events.phase('checking tables and indexes');
            const settings = await superuserOf(server, users);
            amcheck =
              settings === null
                ? {
                    databases: [],
                    findings: [],
                    unchecked: [`all: the cluster knows no superuser named ${users.join(' or ')}`],
                  }
                : await checkWithAmcheck(settings, programs, run.signal);
          },
        }
      : {}),
    events: run.events,
  });
  return { ...report, amcheck };
}
