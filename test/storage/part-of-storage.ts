import { LifeboatError } from '../../src/core/errors.ts';
import type { Storage } from '../../src/storage/storage.ts';

export const refuse = (): never => {
  throw new LifeboatError('internal', 'not part of this test');
};

/** A storage of which only these parts may be used. */
export function storageOf(parts: Partial<Storage>): Storage {
  return {
    location: 'here',
    connections: 5,
    create: refuse,
    save: refuse,
    load: refuse,
    size: refuse,
    list: refuse,
    remove: refuse,
    localPath: () => '/a/path',
    ...parts,
  };
}
