import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';
import type { ArchiveWriter } from './archive-writer.ts';
import { type ByteSink, bufferedSink } from './byte-sink.ts';
import { blockBytes, padding, type TarEntry, tarHeader } from './tar-header.ts';

/** Writes a tar archive. The second and further names of a hard-linked file become links to the first. */
export function createTarWriter(sink: ByteSink): ArchiveWriter {
  const out = bufferedSink(sink);
  /** First path of each file with several names. */
  const firstPaths = new Map<string, ByteString>();

  function entryOf(path: ByteString, node: TreeNode): TarEntry {
    const none = '' as ByteString;
    if (node.type === 'dir') return { type: 'dir', path, node, target: none, size: 0 };
    if (node.type === 'symlink')
      return { type: 'symlink', path, node, target: node.linktarget ?? none, size: 0 };
    const linked = Number(node.links ?? 0) > 1 && node.inode;
    const key = `${node.device_id ?? 0}:${node.inode}`;
    const first = linked ? firstPaths.get(key) : undefined;
    if (first !== undefined) return { type: 'link', path, node, target: first, size: 0 };
    if (linked) firstPaths.set(key, path);
    return { type: 'file', path, node, target: none, size: Number(node.size ?? 0) };
  }

  return {
    async add(path, node, content) {
      const entry = entryOf(path, node);
      await out.write(tarHeader(entry));
      if (entry.type !== 'file') return;
      for await (const blob of content) await out.write(blob);
      await out.write(padding(entry.size));
    },
    async end() {
      await out.write(Buffer.alloc(2 * blockBytes));
      await out.flush();
    },
  };
}
