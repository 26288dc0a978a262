import { type Id, isId } from '../model/id.ts';

/** Kinds of files beside `config` and packs (restic doc/design.rst, "Repository Layout"). */
export type FileKind = 'keys' | 'locks' | 'snapshots' | 'index' | 'data';

export const configKey = 'config';

/** Storage key of a file of the repository. */
export function keyOf(kind: FileKind, id: Id): string {
  return kind === 'data' ? `data/${id.slice(0, 2)}/${id}` : `${kind}/${id}`;
}

/** The ID in a storage key, or null where the last part is no ID: such files are not ours to touch. */
export function idOfKey(key: string): Id | null {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return isId(name) ? name : null;
}
