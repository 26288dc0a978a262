/** SHA-256 of the content it names, as 64 lower-case hex digits. */
export type Id = string & { readonly __id: true };

const pattern = /^[0-9a-f]{64}$/;

export function isId(text: string): text is Id {
  return pattern.test(text);
}

/** @throws {TypeError} when the text is not 64 lower-case hex digits. */
export function parseId(text: string): Id {
  if (!isId(text)) throw new TypeError(`not an ID: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

export function idOfBytes(bytes: Uint8Array): Id {
  return Buffer.from(bytes.buffer, bytes.byteOffset, 32).toString('hex') as Id;
}

/** The first eight digits, as restic prints them. */
export function shortId(id: Id): string {
  return id.slice(0, 8);
}
