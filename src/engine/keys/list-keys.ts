import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { keyOf } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';

/** Who may open the repository, as `key list` tells it. */
export interface KeyOwnership {
  readonly id: Id;
  /** The key that opened the repository this time. */
  readonly current: boolean;
  readonly username: string;
  readonly hostname: string;
  /** RFC 3339, as the key file says. */
  readonly created: string;
}

export interface KeyList {
  /** Oldest first. */
  readonly keys: readonly KeyOwnership[];
  /** Key files that cannot be read; they keep nobody from seeing the others. */
  readonly problems: readonly LifeboatError[];
}

export async function listKeyOwners(repository: Repository): Promise<KeyList> {
  const keys: KeyOwnership[] = [];
  const problems: LifeboatError[] = [];
  for (const { id } of await listFiles(repository.storage, 'keys')) {
    try {
      const file = JSON.parse((await repository.storage.load(keyOf('keys', id))).toString('utf8')) as Record<
        string,
        unknown
      >;
      const text = (name: string): string => (typeof file[name] === 'string' ? file[name] : '');
      const owner = { username: text('username'), hostname: text('hostname'), created: text('created') };
      keys.push({ id, current: id === repository.keyId, ...owner });
    } catch (error) {
      const why = `key file ${id} cannot be read: ${messageOf(error)}`;
      problems.push(new LifeboatError('repository-damaged', why, { cause: error }));
    }
  }
  keys.sort((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : a.id < b.id ? -1 : 1));
  return { keys, problems };
}
