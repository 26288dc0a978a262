import { permissionsOfGoMode } from '../../model/mode.ts';
import type { ExtendedAttribute, TreeNode } from '../../model/node.ts';
import { sameInstant } from '../../model/time.ts';

/** What two nodes of the same entry differ in; what a restore cannot or need not bring back is left out. */

export interface ComparedMetadata {
  /** Only root can give files to others. */
  readonly owner: boolean;
}

const text = (value: string | undefined): string => JSON.stringify(value ?? '');

function attributeProblem(
  wanted: readonly ExtendedAttribute[],
  found: readonly ExtendedAttribute[],
): string | null {
  const values = new Map(found.map(({ name, value }) => [name, value ?? Buffer.alloc(0)]));
  for (const { name, value } of wanted) {
    const held = values.get(name);
    if (held === undefined) return `lacks the extended attribute ${text(name)}`;
    if (!held.equals(value ?? Buffer.alloc(0)))
      return `has another value of the extended attribute ${text(name)}`;
    values.delete(name);
  }
  const [extra] = values.keys();
  return extra === undefined
    ? null
    : `has the extended attribute ${text(extra)}, which the snapshot does not have`;
}

/**
 * @param wanted as the snapshot has it.
 * @param found as it is in a folder.
 * @returns one sentence part a difference, such as `has 12 bytes instead of 10`; empty where there is none.
 */
export function nodeDifferences(wanted: TreeNode, found: TreeNode, { owner }: ComparedMetadata): string[] {
  if (wanted.type !== found.type) return [`is a ${found.type} instead of a ${wanted.type}`];
  const differences: string[] = [];
  const permissions = permissionsOfGoMode(wanted.mode);
  const foundPermissions = permissionsOfGoMode(found.mode);
  if (wanted.type !== 'symlink' && permissions !== foundPermissions)
    differences.push(
      `has the permissions ${foundPermissions.toString(8)} instead of ${permissions.toString(8)}`,
    );
  if (owner && (wanted.uid !== found.uid || wanted.gid !== found.gid))
    differences.push(`belongs to ${found.uid}:${found.gid} instead of ${wanted.uid}:${wanted.gid}`);
  if (!sameInstant(wanted.mtime, found.mtime))
    differences.push(`was modified at ${found.mtime} instead of ${wanted.mtime}`);
  if (wanted.type === 'file' && BigInt(wanted.size ?? 0) !== BigInt(found.size ?? 0))
    differences.push(`has ${found.size ?? 0} bytes instead of ${wanted.size ?? 0}`);
  if ((wanted.linktarget ?? '') !== (found.linktarget ?? ''))
    differences.push(`points to ${text(found.linktarget)} instead of ${text(wanted.linktarget)}`);
  if (BigInt(wanted.device ?? 0) !== BigInt(found.device ?? 0))
    differences.push(`is device ${found.device ?? 0} instead of ${wanted.device ?? 0}`);
  const attributes = attributeProblem(wanted.extended_attributes ?? [], found.extended_attributes ?? []);
  if (attributes !== null) differences.push(attributes);
  return differences;
}
