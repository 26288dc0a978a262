import { readFileSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import { sha256 } from '../../kernels/sha256.ts';
import { idOfBytes } from '../../model/id.ts';
import { type BlobDecoder, createBlobDecoder } from '../blob-decoder.ts';
import type { Sealer } from '../crypto.ts';
import { headerSpan, openHeader, type PackedBlob } from '../pack.ts';
import type { Jobs } from './protocol.ts';

const decoders = new WeakMap<Sealer, BlobDecoder>();

function decoderOf(sealer: Sealer): BlobDecoder {
  let decoder = decoders.get(sealer);
  if (!decoder) {
    decoder = createBlobDecoder(sealer);
    decoders.set(sealer, decoder);
  }
  return decoder;
}

const place = (blob: PackedBlob): string =>
  `${blob.type} ${blob.id} at ${blob.offset}+${blob.length} (${blob.uncompressedLength})`;

/** Differences between what a pack's own header and the index say of it. */
function headerProblems(header: readonly PackedBlob[], indexed: readonly PackedBlob[]): string[] {
  const inHeader = new Set(header.map(place));
  return indexed
    .filter((blob) => !inHeader.has(place(blob)))
    .map((blob) => `the index names ${place(blob)}, which the pack's header does not`);
}

/** All that can be wrong with a pack. Never throws for damage: says everything that it found. */
export function checkPack(
  sealer: Sealer,
  { source, packId, blobs }: Jobs['checkPack']['input'],
  progress: (bytes: number) => void,
): Jobs['checkPack']['output'] {
  const problems: string[] = [];
  const bytes = 'path' in source ? readFileSync(source.path) : source.bytes;
  const found = idOfBytes(sha256(bytes));
  if (found !== packId) problems.push(`its content has the hash ${found}`);
  try {
    const span = headerSpan(bytes.length, bytes.subarray(bytes.length - 4), packId);
    const header = openHeader(
      sealer,
      bytes.subarray(span.start, span.start + span.length),
      span.start,
      packId,
    );
    problems.push(...headerProblems(header, blobs));
  } catch (error) {
    problems.push(messageOf(error));
  }
  const decoder = decoderOf(sealer);
  for (const blob of blobs) {
    if (blob.offset + blob.length > bytes.length) {
      problems.push(`blob ${blob.id} lies beyond the pack's end`);
      continue;
    }
    try {
      decoder.decode(blob, bytes.subarray(blob.offset, blob.offset + blob.length));
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  progress(bytes.length);
  return { bytes: bytes.length, problems };
}
