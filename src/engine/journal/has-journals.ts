import type { Repository } from '../../repository/repository.ts';

/** Whether a repository holds a journal of any source. */
export async function hasJournals({ storage }: Repository): Promise<boolean> {
  return (await storage.list('lifeboat/journal/')).length > 0;
}
