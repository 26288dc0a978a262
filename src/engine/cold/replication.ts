import { runBounded } from '../../core/run-bounded.ts';
import type { ReplicationRule, ReplicationStatus } from '../../model/lifecycle.ts';
import type { ClassedObject } from '../../model/storage-class.ts';
import type { Repository } from '../../repository/repository.ts';
import { bucketOf } from './lifecycle.ts';
import { archiveOf } from './move-packs.ts';

/** Whether the provider's own replication of a bucket reaches the other side: its rules, and how recent objects fare. */

export interface ObjectReplication {
  readonly key: string;
  readonly modifiedMs: number;
  readonly status: ReplicationStatus;
}

export interface ReplicationFindings {
  readonly bucket: string;
  /** null: the storage knows no replication. */
  readonly rules: readonly ReplicationRule[] | null;
  readonly versioning: 'enabled' | 'suspended' | 'off' | null;
  /** The newest objects that were looked at. */
  readonly objects: readonly ObjectReplication[];
  /** What is wrong, as sentences. */
  readonly problems: readonly string[];
}

/** Folders whose newest objects are looked at. */
const folders = ['snapshots/', 'index/', 'data/'] as const;

/** What takes longer than this to arrive counts as stuck; AWS promises a quarter of an hour for what it promises. */
const pendingMaxMs = 3_600_000;

/** Whether a rule copies all that the repository needs. */
export function coversAll({ enabled, prefix, onTags }: ReplicationRule, root: string): boolean {
  return enabled && !onTags && root.startsWith(prefix);
}

/** @param objectsMax of each kind: snapshots, index files and packs. @throws LifeboatError `bucket-feature-missing`. */
export async function inspectReplication(
  storage: Repository['storage'],
  {
    objectsMax,
    nowMs,
    signal,
  }: { readonly objectsMax: number; readonly nowMs: number; readonly signal: AbortSignal },
): Promise<ReplicationFindings> {
  const bucket = bucketOf(storage);
  const rules = await bucket.replication();
  const versioning = await bucket.versioning();
  if (rules === null || rules.length === 0) {
    const problems = rules === null ? [] : ['it has no rule'];
    return { bucket: bucket.name, rules, versioning, objects: [], problems };
  }
  const objects: ObjectReplication[] = [];
  for (const folder of folders) {
    const newest = (await archiveOf(storage).list(folder))
      .toSorted((a, b) => b.modifiedMs - a.modifiedMs)
      .slice(0, objectsMax);
    let next = 0;
    const lookAt = async ({ key, modifiedMs }: ClassedObject): Promise<void> => {
      objects.push({ key, modifiedMs, status: await bucket.replicationStatus(key) });
    };
    await runBounded(
      storage.connections,
      () => (next < newest.length ? lookAt(newest[next++]!) : null),
      signal,
    );
  }
  objects.sort((a, b) => b.modifiedMs - a.modifiedMs || (a.key < b.key ? -1 : 1));
  return {
    bucket: bucket.name,
    rules,
    versioning,
    objects,
    problems: problemsOf({ rules, versioning, objects, root: bucket.root, nowMs }),
  };
}

/** What of rules and statuses means that objects are not at the other side. */
export function problemsOf({
  rules,
  versioning,
  objects,
  root,
  nowMs,
}: Pick<ReplicationFindings, 'versioning' | 'objects'> & {
  readonly rules: readonly ReplicationRule[];
  readonly root: string;
  readonly nowMs: number;
}): string[] {
  const problems: string[] = [];
  if (!rules.some((rule) => coversAll(rule, root)))
    problems.push('no rule that is enabled copies all objects of the repository');
  if (versioning === 'suspended' || versioning === 'off')
    problems.push('the bucket keeps no versions, without which nothing is replicated');
  const failed = objects.filter(({ status }) => status === 'FAILED');
  if (failed.length > 0)
    problems.push(`${failed.length} objects could not be copied, such as ${failed[0]!.key}`);
  const stuck = objects.filter(
    ({ status, modifiedMs }) => status === 'PENDING' && nowMs - modifiedMs > pendingMaxMs,
  );
  if (stuck.length > 0)
    problems.push(`${stuck.length} objects have waited for more than an hour, such as ${stuck[0]!.key}`);
  const silent = objects.filter(({ status }) => status === null);
  if (silent.length > 0)
    problems.push(
      `${silent.length} objects have no status, as they are older than the rules or the storage does not tell, such as ${silent[0]!.key}`,
    );
  return problems;
}
