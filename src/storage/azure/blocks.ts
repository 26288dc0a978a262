import { createHash, randomBytes } from 'node:crypto';
import type { BlockBlobClient, BlockBlobCommitBlockListOptions } from '@azure/storage-blob';
import { runBounded } from '../../core/run-bounded.ts';
import { pacedBody } from '../body.ts';
import type { Pacer } from '../pacer.ts';

/**
 * Blobs in blocks (Azure Blob Storage, "Put Block"): nothing is visible before their list is put. Blocks that a
 * killed process left behind are thrown away by the service after a week.
 */

const blockBytesMin = 16 * 1024 * 1024;
const blocksMax = 50_000;
const blocksAtOnce = 3;

/** Stores a body in blocks, each with its MD5, which is checked there. */
export async function uploadInBlocks(
  blob: BlockBlobClient,
  body: Buffer,
  pacer: Pacer | null,
  options: BlockBlobCommitBlockListOptions,
): Promise<void> {
  const blockBytes = Math.max(blockBytesMin, Math.ceil(body.length / blocksMax));
  // Names of one length, which no other upload of the same blob has.
  const upload = randomBytes(12).toString('hex');
  const names = Array.from({ length: Math.ceil(body.length / blockBytes) }, (_, block) =>
    Buffer.from(`${upload}-${String(block).padStart(6, '0')}`).toString('base64'),
  );
  async function stage(block: number): Promise<void> {
    const content = body.subarray(block * blockBytes, (block + 1) * blockBytes);
    const sent = pacer ? () => pacedBody(content, pacer) : content;
    await blob.stageBlock(names[block]!, sent, content.length, {
      transactionalContentMD5: createHash('md5').update(content).digest(),
    });
  }
  let next = 0;
  await runBounded(blocksAtOnce, () => (next < names.length ? stage(next++) : null));
  await blob.commitBlockList(names, options);
}
