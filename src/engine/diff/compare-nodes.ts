import type { ExtendedAttribute, TreeNode } from '../../model/node.ts';
import { sameInstant } from '../../model/time.ts';

const plainFields = [
  'name',
  'type',
  'mode',
  'uid',
  'gid',
  'user',
  'group',
  'inode',
  'device_id',
  'size',
  'links',
  'linktarget',
  'device',
  'subtree',
  'error',
] as const satisfies readonly (keyof TreeNode)[];
const timeFields = ['mtime', 'atime', 'ctime'] as const;

/** Whether two entries are the same but for their content (restic internal/data/node.go, Equals). */
export function sameMetadata(a: TreeNode, b: TreeNode): boolean {
  return (
    plainFields.every((field) => (a[field] || '') === (b[field] || '')) &&
    timeFields.every((field) => a[field] === b[field] || sameInstant(a[field], b[field])) &&
    sameAttributes(a.extended_attributes ?? [], b.extended_attributes ?? []) &&
    sameMembers(a.generic_attributes ?? {}, b.generic_attributes ?? {})
  );
}

/** Whether two entries have the same blobs in the same order. */
export function sameContent(a: TreeNode, b: TreeNode): boolean {
  const first = a.content;
  const second = b.content;
  if (first === null || second === null) return first === second;
  return first.length === second.length && first.every((id, i) => id === second[i]);
}

function sameAttributes(a: readonly ExtendedAttribute[], b: readonly ExtendedAttribute[]): boolean {
  if (a.length !== b.length) return false;
  const values = new Map(a.map(({ name, value }) => [name, value ?? Buffer.alloc(0)]));
  return b.every(({ name, value }) => values.get(name)?.equals(value ?? Buffer.alloc(0)) ?? false);
}

function sameMembers(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
