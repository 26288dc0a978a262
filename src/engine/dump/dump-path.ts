import { type ByteString, joinPath, toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { TreeNode } from '../../model/node.ts';
import { type TreeSource, walkTree } from '../walk/walk-tree.ts';
import type { ArchiveWriter, Content } from './archive-writer.ts';
import type { ByteSink } from './byte-sink.ts';
import { contentOf, type DataSource, wholeContent } from './file-content.ts';

/** Writing files and folders of a snapshot as they are, or as an archive (restic internal/dump). */

/** What a path in a snapshot names. */
export type DumpTarget =
  | { readonly kind: 'file'; readonly node: TreeNode }
  | { readonly kind: 'folder'; readonly tree: Id; readonly path: ByteString };

/**
 * @param path clean; `/` or `.` for the whole tree.
 * @throws LifeboatError `path-missing` where it is neither file nor folder; errors of the source.
 */
export async function findDumpTarget(source: TreeSource, root: Id, path: ByteString): Promise<DumpTarget> {
  let tree = root;
  let walked = '/' as ByteString;
  let last: TreeNode | null = null;
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (last && last.type !== 'dir')
      throw new LifeboatError('path-missing', `${toText(walked)} is not a folder`);
    walked = joinPath(walked, name as ByteString);
    last = (await source.loadTree(tree)).find((node) => node.name === name) ?? null;
    if (last === null) throw new LifeboatError('path-missing', `${toText(walked)} is not in the snapshot`);
    if (last.type === 'dir') {
      if (last.subtree === undefined)
        throw new LifeboatError('repository-damaged', `the folder ${toText(walked)} has no tree`);
      tree = last.subtree;
    }
  }
  if (last === null || last.type === 'dir') return { kind: 'folder', tree, path: walked };
  if (last.type === 'file') return { kind: 'file', node: last };
  throw new LifeboatError(
    'path-missing',
    `${toText(walked)} is neither a file nor a folder but a ${last.type}`,
  );
}

/** Writes a file's bytes. */
export async function dumpFile(source: DataSource, node: TreeNode, sink: ByteSink): Promise<void> {
  for await (const blob of contentOf(source, node)) await sink.write(blob);
}

/** Files up to this size are loaded while those before them are written. */
const preloadBytesMax = 1024 * 1024;
const queuedEntriesMax = 64;
const queuedBytesMax = 16 * 1024 * 1024;

interface Queued {
  readonly path: ByteString;
  readonly node: TreeNode;
  readonly preloaded: Promise<readonly Buffer[]> | null;
  readonly bytes: number;
}

/**
 * Writes all that is below a folder, in the order of the walk. Devices, pipes and sockets are left out.
 * @returns how many entries were left out.
 */
export async function dumpFolder(
  source: TreeSource & DataSource,
  folder: DumpTarget & { readonly kind: 'folder' },
  archive: ArchiveWriter,
  signal: AbortSignal,
): Promise<number> {
  const queue: Queued[] = [];
  let queuedBytes = 0;
  let leftOut = 0;

  async function writeFirst(): Promise<undefined> {
    const { path, node, preloaded, bytes } = queue.shift()!;
    queuedBytes -= bytes;
    const content: Content = preloaded
      ? await preloaded
      : node.type === 'file'
        ? contentOf(source, node)
        : [];
    await archive.add(path.slice(1) as ByteString, node, content);
  }

  const enter = (path: ByteString, node: TreeNode): Promise<undefined> | undefined => {
    if (node.type !== 'file' && node.type !== 'dir' && node.type !== 'symlink') {
      leftOut++;
      return undefined;
    }
    const size = node.type === 'file' ? Number(node.size ?? 0) : 0;
    const small = size > 0 && size <= preloadBytesMax;
    const preloaded = small ? wholeContent(source, node) : null;
    preloaded?.catch(() => {
      // Thrown when this file's turn comes.
    });
    const bytes = small ? size : 0;
    queue.push({ path, node, preloaded, bytes });
    queuedBytes += bytes;
    return queue.length > queuedEntriesMax || queuedBytes > queuedBytesMax ? writeFirst() : undefined;
  };
  await walkTree(source, folder.tree, { enter }, { at: folder.path, signal });
  while (queue.length > 0) {
    signal.throwIfAborted();
    await writeFirst();
  }
  await archive.end();
  return leftOut;
}
