import { postgresTags, tagValue } from '../model/postgres-manifest.ts';
import { printable } from './text-width.ts';

const ownKeys = new Set<string>(Object.values(postgresTags));
const isOwn = (tag: string): boolean => ownKeys.has(tag.split('=', 1)[0]!);

/**
 * Tags as people read them in a table. Those that Lifeboat gives the snapshot of a source are for programs; of them
 * one cell says what matters: `app-db physical full`.
 */
export function shownTags(tags: readonly string[]): string[] {
  const source = tagValue(tags, postgresTags.source);
  if (source === null) return tags.map(printable);
  const kind = tagValue(tags, postgresTags.kind)?.replace(/^postgres-/, '');
  const facts = [source, kind, tagValue(tags, postgresTags.type)];
  const own = facts.filter((fact) => fact).join(' ');
  return [own, ...tags.filter((tag) => !isOwn(tag))].map(printable);
}
