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
import { createTally } from './tally.ts';

/** Standard input, or the output of a command, to be kept as one file. */
export interface StreamSource {
  /** Name of the file in the snapshot; may have folders. */
  readonly name: string;
  /** Begins it, once. What makes it ends with the signal. */
  open(signal: AbortSignal): OpenStream;
}

export interface OpenStream {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the stream's maker ended well. @throws what makes the stream worthless, such as a failed command. */
  completed(): Promise<void>;
  /** Ends its maker where it is still at work. */
  close(): void;
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

/** Folders and name of the file. @throws LifeboatError `usage`. */
function partsOf(name: string): { folders: ByteString[]; file: ByteString } {
  const folders = name
    .split('/')
    .filter((part) => part !== '')
    .map(bytesOfText);
  const file = folders.pop();
  if (file === undefined || [...folders, file].some((part) => unsafeName(part) !== null))
    throw new LifeboatError('usage', `"${name}" cannot be the name of a file in a snapshot`);
  return { folders, file };
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
  const { folders, file } = partsOf(source.name);
  const tally = createTally(events);
  const startMs = tally.now();
  const stream = source.open(signal);
  const node = nodeOf(file, 'file', timeMs);
  try {
    const progress = (bytes: number): void =>
      events.progress?.({ files: 0, bytes, problems: 0, current: [file] });
    const bytes = untilAborted(stream.bytes, signal);
    const { content, size } = await storeStream(store, repository.config.chunkerPolynomial, bytes, progress);
    await stream.completed();
    node.content = content;
    if (size > 0) node.size = size;
  } finally {
    stream.close();
  }
  const { bytes: newBytes, packedBytes: storedBytes } = store.totals();
  const pathOf = (depth: number, last: ByteString): ByteString =>
    ['', ...folders.slice(0, depth), last].join('/') as ByteString;
  tally.file(pathOf(folders.length, file), node, undefined, startMs, { newBytes, storedBytes });
  let { id } = store.saveTree(encodeTree([node]));
  for (let depth = folders.length - 1; depth >= 0; depth--) {
    const name = folders[depth]!;
    const folder = { ...nodeOf(name, 'dir', timeMs), subtree: id };
    tally.folder(pathOf(depth, name), folder, undefined, startMs)(0, 0);
    ({ id } = store.saveTree(encodeTree([folder])));
  }
  return { tree: id, counts: tally.counts };
}
