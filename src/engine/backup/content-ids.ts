import type { Id } from '../../model/id.ts';

const idBytes = 32;

/** The IDs of a content, of which there are 32 bytes each. */
export function contentIds(bytes: Uint8Array): Id[] {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  const ids: Id[] = [];
  for (let at = 0; at < hex.length; at += 2 * idBytes) ids.push(hex.slice(at, at + 2 * idBytes) as Id);
  return ids;
}

/** The same as 32 bytes each: a third of the memory, for contents that are kept. */
export function contentBytes(ids: readonly Id[]): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(ids.length * idBytes);
  for (let n = 0; n < ids.length; n++) bytes.write(ids[n]!, n * idBytes, 'hex');
  return bytes;
}
