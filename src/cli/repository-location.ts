import { readFile } from 'node:fs/promises';
import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import { decodeTextFile, trimWhiteSpace } from '../core/text-file.ts';

/**
 * Where the repository is: as given, or read from the file given.
 *
 * @throws LifeboatError `usage` when neither is given or the file cannot be read.
 */
export async function resolveRepositoryLocation(given: {
  readonly repository: string | undefined;
  readonly repositoryFile: string | undefined;
}): Promise<string> {
  if (given.repository !== undefined && given.repository !== '') return given.repository;
  const { repositoryFile: file } = given;
  if (file === undefined || file === '') {
    throw new LifeboatError('usage', 'no repository was given', {
      hint: 'give -r LOCATION or --repository-file FILE, or set LIFEBOAT_REPOSITORY',
    });
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const why = errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`;
    throw new LifeboatError('usage', `repository file ${file} ${why}`, { cause: error });
  }
  const location = trimWhiteSpace(decodeTextFile(bytes) ?? '');
  if (location === '') throw new LifeboatError('usage', `repository file ${file} holds no location`);
  return location;
}
