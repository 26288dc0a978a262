const whiteSpace = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const outerWhiteSpace = new RegExp(`^${whiteSpace}+|${whiteSpace}+$`, 'g');

/** A text without white space at its ends, where white space is Unicode's White_Space, as in Go's TrimSpace. */
export function trimWhiteSpace(text: string): string {
  return text.replace(outerWhiteSpace, '');
}

/**
 * The text of a small file a person wrote: UTF-8, or UTF-16 where a byte order mark says so; the mark is
 * dropped (restic internal/textfile).
 *
 * @returns null when the bytes are not valid in that encoding.
 */
export function decodeTextFile(bytes: Uint8Array): string | null {
  const encoding =
    bytes[0] === 0xfe && bytes[1] === 0xff
      ? 'utf-16be'
      : bytes[0] === 0xff && bytes[1] === 0xfe
        ? 'utf-16le'
        : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
