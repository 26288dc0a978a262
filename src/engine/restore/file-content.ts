import type { ByteString } from '../../core/bytestring.ts';
import { toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { TreeNode } from '../../model/node.ts';
import { blobBytesMax } from '../../repository/blob-decoder.ts';
import { sealOverheadBytes } from '../../repository/crypto.ts';
import type { BlobTable } from '../../repository/index/table.ts';

/** Plaintext bytes of a stored blob. */
export function plainBytes(location: {
  readonly length: number;
  readonly uncompressedLength: number;
}): number {
  return location.uncompressedLength || location.length - sealOverheadBytes;
}

const idBytes = Buffer.alloc(32);

/**
 * The table entries of a file's blobs, in order. A file whose size is not that of its blobs together is
 * refused here, before anything is allocated or written.
 *
 * @throws LifeboatError `repository-damaged`.
 */
export function blobsOfFile(
  table: BlobTable,
  packs: number,
  location: ByteString,
  node: TreeNode,
): Uint32Array {
  const content = node.content ?? [];
  const entries = new Uint32Array(content.length);
  let bytes = 0;
  for (let n = 0; n < content.length; n++) {
    idBytes.write(content[n]!, 'hex');
    const entry = table.find('data', idBytes);
    if (entry < 0 || table.packOf(entry) >= packs) {
      throw new LifeboatError(
        'repository-damaged',
        `${toText(location)} needs the data blob ${content[n]}, which is in no pack that the index knows`,
      );
    }
    entries[n] = entry;
    const where = table.locationOf(entry);
    if (where.length > blobBytesMax || plainBytes(where) > blobBytesMax) {
      throw new LifeboatError(
        'repository-damaged',
        `the data blob ${content[n]} of ${toText(location)} claims to be larger than any blob; refused`,
      );
    }
    bytes += plainBytes(where);
  }
  const claimed = node.size ?? 0;
  if (BigInt(bytes) !== BigInt(claimed)) {
    throw new LifeboatError(
      'repository-damaged',
      `${toText(location)} claims to have ${claimed} bytes, but its blobs hold ${bytes}`,
    );
  }
  return entries;
}
