import type { Snapshot } from '../model/snapshot.ts';

/** Tags that a snapshot has to have all of. */
export type TagList = readonly string[];

/** `a, b` → `a` and `b`, as --tag and --keep-tag take them; an empty text is the list of the empty tag. */
export function parseTagList(text: string): TagList {
  return text.split(',').map((tag) => tag.trim());
}

/** `[a, b]`, as restic prints it. */
export function formatTagList(tags: TagList): string {
  return `[${tags.join(', ')}]`;
}

/** Every tag in the lists, without the empty one. */
export function flattenTags(lists: readonly TagList[]): string[] {
  return lists.flat().filter((tag) => tag !== '');
}

/** Whether the snapshot has all of the tags; the empty tag stands for having none (restic internal/data/snapshot.go). */
export function hasTags(snapshot: Snapshot, tags: TagList): boolean {
  const own = snapshot.tags ?? [];
  for (const tag of tags) {
    if (tag === '' && own.length === 0) return true;
    if (!own.includes(tag)) return false;
  }
  return true;
}

/** Whether the snapshot satisfies one of the lists, or there are none. */
export function hasAnyTagList(snapshot: Snapshot, lists: readonly TagList[]): boolean {
  return lists.length === 0 || lists.some((tags) => hasTags(snapshot, tags));
}
