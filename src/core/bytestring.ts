/**
 * File names and link targets are bytes, not text. A `ByteString` holds each byte as one UTF-16 unit
 * (latin1), so that `<` compares raw bytes, as the order of a tree requires, and names that are not
 * UTF-8 survive. ASCII names cost nothing to convert.
 */
export type ByteString = string & { readonly __bytes: true };

const notAscii = /[^\0-\x7f]/;

/** The bytes of a text in UTF-8. */
export function bytesOfText(text: string): ByteString {
  return (notAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text) as ByteString;
}

export function bytesOfBuffer(buffer: Uint8Array): ByteString {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1') as ByteString;
}

export function toBuffer(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** For printing: UTF-8 where it is valid, U+FFFD where not. */
export function toText(bytes: ByteString): string {
  return notAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** A path argument for node:fs: the string itself when ASCII, else its raw bytes. */
export function toPath(bytes: ByteString): string | Buffer {
  return notAscii.test(bytes) ? Buffer.from(bytes, 'latin1') : bytes;
}

export function isUtf8(bytes: ByteString): boolean {
  if (!notAscii.test(bytes)) return true;
  const buffer = Buffer.from(bytes, 'latin1');
  return buffer.equals(Buffer.from(buffer.toString('utf8'), 'utf8'));
}

/** Joins a directory and a name with one slash. */
export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return (directory.endsWith('/') ? directory + name : `${directory}/${name}`) as ByteString;
}
