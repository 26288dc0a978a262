import { toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';

/** Where the blobs of files come from; a `BlobReader` is one. */
export interface DataSource {
  loadBlob(type: 'data', id: Id): Promise<Buffer>;
}

/** Blobs of one file that are loaded before they are needed: up to 8 MiB each. */
const blobsAheadMax = 4;

/**
 * The blobs of a file in order, the next ones loading meanwhile.
 * @throws LifeboatError `repository-damaged`, also where they do not make up the size that the tree states.
 */
export async function* contentOf(source: DataSource, node: TreeNode): AsyncGenerator<Buffer, void> {
  const content = node.content ?? [];
  const loading: Promise<Buffer>[] = [];
  let bytes = 0;
  for (let next = 0, given = 0; given < content.length; given++) {
    for (; next < content.length && loading.length < blobsAheadMax; next++) {
      const load = source.loadBlob('data', content[next]!);
      load.catch(() => {
        // Thrown when this blob's turn comes; a load ahead that nobody waits for must not end the process.
      });
      loading.push(load);
    }
    const blob = await loading.shift()!;
    bytes += blob.length;
    yield blob;
  }
  checkSize(node, bytes);
}

/** A small file's content at once. @throws as `contentOf`. */
export async function wholeContent(source: DataSource, node: TreeNode): Promise<readonly Buffer[]> {
  const blobs = await Promise.all((node.content ?? []).map((id) => source.loadBlob('data', id)));
  checkSize(
    node,
    blobs.reduce((sum, { length }) => sum + length, 0),
  );
  return blobs;
}

function checkSize(node: TreeNode, bytes: number): void {
  const stated = Number(node.size ?? 0);
  if (bytes === stated) return;
  throw new LifeboatError(
    'repository-damaged',
    `the blobs of ${JSON.stringify(toText(node.name))} have ${bytes} bytes, its tree says ${stated}`,
  );
}
