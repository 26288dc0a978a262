import { createHash } from 'node:crypto';
import { type ByteString, joinPath } from '../../src/core/bytestring.ts';
import { LifeboatError } from '../../src/core/errors.ts';
import type { Id } from '../../src/model/id.ts';
import { type BlobReader, openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';

/** What a repository gives back: for each snapshot the hash of every file, or the code of the error. */
export type Contents = Map<string, Map<ByteString, string>>;

export const lostMark = 'error: ';

/** Blobs that count as lost: what is left of files and folders, and of snapshots that lost their root. */
export interface Lost {
  readonly data: ReadonlySet<Id>;
  readonly trees: ReadonlySet<Id>;
}

const nothing: Lost = { data: new Set(), trees: new Set() };

const codeOf = (error: unknown): string => {
  if (error instanceof LifeboatError && error.code !== 'internal') return lostMark + error.code;
  throw error;
};

/**
 * Reads every file of every snapshot, named by the time of the snapshot, which no repair changes. Errors that
 * a user would be told take the place of content; any other is thrown.
 */
export async function readContents(repository: Repository, lost = nothing): Promise<Contents> {
  const contents: Contents = new Map();
  const { snapshots } = await listSnapshots(repository, true);
  const index = await loadIndex(repository, { tolerant: true });
  const reader = openBlobReader(repository, index);
  for (const { time, tree } of snapshots) {
    if (lost.trees.has(tree as Id)) continue;
    const files = new Map<ByteString, string>();
    contents.set(time, files);
    await readTree(reader, tree as Id, '/' as ByteString, files, lost);
  }
  return contents;
}

async function readTree(
  reader: BlobReader,
  tree: Id,
  path: ByteString,
  files: Map<ByteString, string>,
  lost: Lost,
): Promise<void> {
  if (lost.trees.has(tree)) return;
  let nodes: Awaited<ReturnType<BlobReader['loadTree']>>;
  try {
    nodes = await reader.loadTree(tree);
  } catch (error) {
    files.set(path, codeOf(error));
    return;
  }
  for (const node of nodes) {
    const at = joinPath(path, node.name);
    if (node.type === 'dir') await readTree(reader, node.subtree as Id, at, files, lost);
    else if (node.type === 'file')
      files.set(
        at,
        await hashOfFile(
          reader,
          (node.content ?? []).filter((id) => !lost.data.has(id)),
        ),
      );
  }
}

async function hashOfFile(reader: BlobReader, content: readonly Id[]): Promise<string> {
  const hash = createHash('sha256');
  for (const id of content) {
    try {
      hash.update(await reader.loadBlob('data', id));
    } catch (error) {
      return codeOf(error);
    }
  }
  return hash.digest('hex');
}
