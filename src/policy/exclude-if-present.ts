import type { ByteString } from '../core/bytestring.ts';
import { bytesOfText } from '../core/bytestring.ts';
import { LifeboatError } from '../core/errors.ts';

/**
 * A file whose presence says that the rest of its directory is not to be backed up (restic
 * internal/archiver/exclude.go). The file itself is kept.
 */
export interface TagFile {
  readonly name: ByteString;
  /** What the file has to begin with; null where its presence is enough. */
  readonly header: Buffer | null;
}

/** The Cache Directory Tagging Specification (bford.info/cachedir). */
export const cacheDirectoryTag: TagFile = {
  name: bytesOfText('CACHEDIR.TAG'),
  header: Buffer.from('Signature: 8a477f597d28d172789f06886806bc55', 'ascii'),
};

/**
 * Reads what --exclude-if-present takes: `name` or `name:header`.
 *
 * @throws LifeboatError `usage` without a name.
 */
export function parseTagFile(text: string): TagFile {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const header = colon < 0 ? '' : text.slice(colon + 1);
  if (name === '') {
    throw new LifeboatError('usage', `--exclude-if-present ${JSON.stringify(text)} names no file`);
  }
  return { name: bytesOfText(name), header: header === '' ? null : Buffer.from(header, 'utf8') };
}

/** How many bytes of the file decide. */
export function headerBytesNeeded(tag: TagFile): number {
  return tag.header?.length ?? 0;
}

/** Whether a file of that name which begins with these bytes marks its directory. */
export function marksDirectory(tag: TagFile, beginning: Uint8Array): boolean {
  return tag.header === null || tag.header.equals(beginning.subarray(0, tag.header.length));
}
