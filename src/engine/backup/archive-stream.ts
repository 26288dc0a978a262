import { type ByteString, bytesOfText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { goModeDir } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { formatMilliseconds } from '../../model/time.ts';
import { encodeTree, unsafeName } from '../../model/tree.ts';
import type { BlobStore } from '../../repository/blob-store.ts';
import type { Repository } from '../../repository/repository.ts';
import { storeStream } from '../../repository/stream.ts';
import type { ArchiveResult } from './archive.ts';
import type { BackupEvents } from './events.ts';

/** Standard input, or the output of a command, to be kept as one file. */
export interface StreamSource {
  /** Name of the file in the snapshot; may have folders. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the stream's maker ended well. @throws what makes the stream worthless, such as a failed command. */
  completed(): Promise<void>;
}

const fileMode = 0o644;
const folderMode = goModeDir + 0o755;

function nodeOf(name: ByteString, type: 'file' | 'dir', timeMs: number): TreeNode {
  const time = formatMilliseconds(timeMs);
  const mode = type === 'file' ? fileMode : folderMode;
  return { name, type, mode, mtime: time, atime: time, ctime: time, uid: 0, gid: 0, content: null };
}

/** Passes a stream on until the signal; a stream that pauses, such as a terminal, must not hold the end up. */
async function* untilAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined); // awaited only while the stream is
  const abort = (): void => aborted.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', abort, { once: true });
  const iterator = bytes[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await Promise.race([iterator.next(), aborted.promise]);
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Stores a stream as the only file of a snapshot. A stream that fails makes no snapshot. */
export async function archiveStream(
  source: StreamSource,
  repository: Repository,
  store: BlobStore,
  timeMs: number,
  events: BackupEvents,
  signal: AbortSignal,
): Promise<ArchiveResult> {
  const parts = source.name
    .split('/')
    .filter((part) => part !== '')
    .map(bytesOfText);
  const bad = parts.map(unsafeName).find((why) => why !== null);
  if (parts.length === 0 || bad)
    throw new LifeboatError('usage', `"${source.name}" cannot be the name of a file in a snapshot`);
  const { content, size } = await storeStream(
    store,
    repository.config.chunkerPolynomial,
    untilAborted(source.bytes, signal),
    (bytes) => events.progress?.({ files: 0, bytes, problems: 0, current: [parts[parts.length - 1]!] }),
  );
  await source.completed();
  const file = nodeOf(parts.pop()!, 'file', timeMs);
  file.content = content;
  if (size > 0) file.size = size;
  let { id } = store.saveTree(encodeTree([file]));
  for (const name of parts.toReversed())
    ({ id } = store.saveTree(encodeTree([{ ...nodeOf(name, 'dir', timeMs), subtree: id }])));
  events.item?.(bytesOfText(`/${source.name}`), file, 'new', store.totals().packedBytes);
  const counts = {
    filesNew: 1,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: parts.length,
    dirsChanged: 0,
    dirsUnmodified: 0,
    bytes: size,
    problems: 0,
  };
  return { tree: id, counts };
}
