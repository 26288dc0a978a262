import { LifeboatError, messageOf } from '../../core/errors.ts';
import { type Id, isId } from '../../model/id.ts';
import type { PackedBlob } from '../pack.ts';
import type { BlobType } from './table.ts';

/** An index file's JSON (doc/design.rst "Indexing"). `supersedes` of old versions is ignored, as in restic. */
export interface IndexedPack {
  readonly id: Id;
  readonly blobs: readonly PackedBlob[];
}

interface RawBlob {
  id?: unknown;
  type?: unknown;
  offset?: unknown;
  length?: unknown;
  uncompressed_length?: unknown;
}

const wholeU32 = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffffffff;

/** @throws LifeboatError `repository-damaged` naming the index file and what is wrong in it. */
export function parseIndex(document: Uint8Array, name: string): IndexedPack[] {
  const damaged = (why: string, cause?: unknown) =>
    new LifeboatError('repository-damaged', `index ${name} ${why}`, { cause });
  let value: { packs?: { id?: unknown; blobs?: RawBlob[] | null }[] | null };
  try {
    value = JSON.parse(
      Buffer.from(document.buffer, document.byteOffset, document.byteLength).toString('latin1'),
    ) as typeof value;
  } catch (error) {
    throw damaged(`is not JSON: ${messageOf(error)}`, error);
  }
  const packs: IndexedPack[] = [];
  if (typeof value !== 'object' || value === null || !Array.isArray(value.packs ?? []))
    throw damaged('has no list of packs');
  for (const pack of value.packs ?? []) {
    if (typeof pack !== 'object' || pack === null) throw damaged('lists something else than packs');
    if (typeof pack.id !== 'string' || !isId(pack.id)) throw damaged('names a pack that is no ID');
    const blobs: PackedBlob[] = [];
    if (!Array.isArray(pack.blobs ?? [])) throw damaged(`has no list of blobs for pack ${pack.id}`);
    for (const blob of pack.blobs ?? []) {
      if (typeof blob !== 'object' || blob === null)
        throw damaged(`lists something else than blobs in pack ${pack.id}`);
      const { id, type, offset, length } = blob;
      const uncompressedLength = blob.uncompressed_length ?? 0;
      if (typeof id !== 'string' || !isId(id)) throw damaged(`names a blob in pack ${pack.id} that is no ID`);
      if (type !== 'data' && type !== 'tree')
        throw damaged(`gives blob ${id} the unknown type ${JSON.stringify(type)}`);
      if (!wholeU32(offset) || !wholeU32(length) || !wholeU32(uncompressedLength))
        throw damaged(`gives blob ${id} an impossible place in pack ${pack.id}`);
      blobs.push({ id, type: type as BlobType, offset, length, uncompressedLength });
    }
    packs.push({ id: pack.id, blobs });
  }
  return packs;
}

export function encodeIndex(packs: readonly IndexedPack[]): Buffer {
  const parts: string[] = [];
  for (const pack of packs) {
    const blobs = pack.blobs.map(({ id, type, offset, length, uncompressedLength }) => {
      const plain = uncompressedLength === 0 ? '' : `,"uncompressed_length":${uncompressedLength}`;
      return `{"id":"${id}","type":"${type}","offset":${offset},"length":${length}${plain}}`;
    });
    parts.push(`{"id":"${pack.id}","blobs":[${blobs.join(',')}]}`);
  }
  return Buffer.from(`{"packs":[${parts.join(',')}]}`);
}
