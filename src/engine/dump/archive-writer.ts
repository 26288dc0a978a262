import type { ByteString } from '../../core/bytestring.ts';
import type { TreeNode } from '../../model/node.ts';

/** The blobs of a file's content, in order. */
export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** An archive that is written entry by entry. */
export interface ArchiveWriter {
  /**
   * Adds a file, folder or symlink; resolves when it is written.
   * @param path relative, without a slash at its end.
   * @param content of a file: exactly as many bytes as its node says.
   */
  add(path: ByteString, node: TreeNode, content: Content): Promise<void>;
  /** Completes the archive. */
  end(): Promise<void>;
}
