import { LifeboatError } from '../../core/errors.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { Instant } from '../../model/time.ts';
import { type GroupBy, type GroupKey, groupSnapshots, refuseToEmpty } from '../../policy/grouping.ts';
import {
  applyPolicy,
  isEmptyPolicy,
  type RetentionPlan,
  type RetentionPolicy,
} from '../../policy/retention.ts';
import { isAnySnapshot, type SnapshotFilter } from '../../policy/snapshot-selection.ts';

export interface ForgetGroup extends RetentionPlan {
  readonly key: GroupKey;
}

/** Which snapshots will be removed, and why the others stay. */
export interface ForgetPlan {
  /** What the policy decides, group by group; empty where snapshots were named. */
  readonly groups: readonly ForgetGroup[];
  /** Each snapshot once. */
  readonly remove: readonly StoredSnapshot[];
}

export interface ForgetRequest {
  readonly groupBy: GroupBy;
  readonly policy: RetentionPolicy;
  /** The filter that the snapshots have passed. */
  readonly filter: SnapshotFilter;
  readonly allowRemoveAll: boolean;
  readonly now: Instant;
}

/** @throws LifeboatError `usage` where there is no policy to decide by. */
export function requirePolicy({ policy, filter, allowRemoveAll }: ForgetRequest): void {
  if (!isEmptyPolicy(policy)) return;
  if (!allowRemoveAll)
    throw new LifeboatError('usage', 'no policy was specified, so no snapshots will be removed', {
      hint: 'give --keep-last, --keep-daily or another --keep option, or the IDs of snapshots to forget',
    });
  if (isAnySnapshot(filter))
    throw new LifeboatError(
      'usage',
      '--unsafe-allow-remove-all is only allowed together with --host, --tag or --path',
    );
}

/**
 * Applies the policy to each group (restic cmd/restic/cmd_forget.go). Changes nothing.
 * @throws LifeboatError `usage` where there is no policy, or where it would take the last snapshot of a group.
 */
export function planForget(snapshots: readonly StoredSnapshot[], request: ForgetRequest): ForgetPlan {
  requirePolicy(request);
  const { policy, now } = request;
  const groups = groupSnapshots(snapshots, request.groupBy).map((group) => {
    const decided = applyPolicy(group.snapshots, policy, now);
    if (!isEmptyPolicy(policy)) refuseToEmpty(group, decided.keep.length);
    return { key: group.key, ...decided };
  });
  return { groups, remove: groups.flatMap(({ remove }) => remove) };
}
