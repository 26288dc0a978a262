import { isTransient } from './transient.ts';

/**
 * The class to store a key in, or null for the bucket's default. What a command reads each time stays at hand
 * whatever the class, and locks live for minutes, for which the colder classes charge months.
 *
 * @param holdsTrees whether it is a pack of trees, which most commands read.
 * @param isForContent whether only packs of file content go into this class.
 */
export function classFor<T extends string>(
  key: string,
  holdsTrees: boolean,
  given: T | null,
  isForContent: (given: T) => boolean,
): T | null {
  if (given === null || isTransient(key)) return null;
  const isContent = key.startsWith('data/') && !holdsTrees;
  return isForContent(given) && !isContent ? null : given;
}
