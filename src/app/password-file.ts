import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import { decodeTextFile, trimWhiteSpace } from '../core/text-file.ts';
import { readSmallFile } from '../transport/small-file.ts';

const passwordBytesMax = 1024 * 1024;

/** The password in a file, without white space around it. @throws LifeboatError `password-missing`. */
export async function readPasswordFile(path: string, signal: AbortSignal): Promise<string> {
  let bytes: Buffer;
  try {
    ({ bytes } = await readSmallFile(path, { bytesMax: passwordBytesMax, signal }));
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    const why = errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`;
    throw new LifeboatError('password-missing', `password file ${path} ${why}`, { cause: error });
  }
  const password = decodeTextFile(bytes);
  if (password === null)
    throw new LifeboatError('password-missing', `password file ${path} does not hold text in UTF-8`);
  return trimWhiteSpace(password);
}
