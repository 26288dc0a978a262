import type { ByteString } from '../../core/bytestring.ts';
import { errnoOf } from '../../core/errors.ts';
import { typeOfStatMode } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import type { FileOutcome } from '../../repository/workers/protocol.ts';
import { type FileStat, statEntry } from '../../sources/files/stat.ts';
import { contentIds } from './content-ids.ts';
import { factsOf, type QueuedFile, sameFacts } from './file-queue.ts';
import { createLinkedFiles } from './linked-files.ts';
import type { Tally } from './tally.ts';

/**
 * What becomes of a file once a worker has answered. Between the look of the walk and the read a file may
 * have changed, vanished or become something else: then it is looked at again, and what is stored is what the
 * file was at one moment. Only a file that changes while it is read makes the snapshot incomplete.
 */
export interface SavedFile extends QueuedFile {
  readonly node: TreeNode;
  readonly previous: TreeNode | undefined;
  /** Named by the user: its absence is worth a word. */
  readonly explicit: boolean;
  readonly startMs: number;
  /** Told once, with the node to store; null where there is none. */
  readonly settle: (node: TreeNode | null) => void;
  /** It was found to be another file when it was to be read, and is read a second time. */
  readonly again?: boolean;
}

export interface FileOutcomes {
  /** Takes a file to be read, or its content from another of its names. */
  save(file: SavedFile): void;
  /** Takes a worker's answer. */
  read(file: SavedFile, outcome: FileOutcome): void;
}

export interface FileOutcomesOptions {
  readonly tally: Tally;
  /** null where there is nothing any more; that was reported where it is missed. */
  readonly nodeOf: (
    path: ByteString,
    name: ByteString,
    stat: FileStat,
    previous: TreeNode | undefined,
    explicit: boolean,
  ) => TreeNode | null;
  readonly enqueue: (file: SavedFile) => void;
}

/** What opening or reading says where there is something else than the file that was seen. */
const replacedCodes = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'EMLINK',
  'ESTALE',
  'ENXIO',
  'EISDIR',
  'ESPIPE',
]);
/** Whether there is nothing at a path any more. */
export const isGone = (error: unknown): boolean =>
  errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';

export function createFileOutcomes({ tally, nodeOf, enqueue }: FileOutcomesOptions): FileOutcomes {
  const linked = createLinkedFiles<SavedFile>();

  function fail(file: SavedFile, message: string, code: string): void {
    tally.problem(file.path, Object.assign(new Error(message), { code }));
    file.settle(null);
  }

  /** A file that is gone by now need not have been there, unless it was asked for. */
  function lookAgain(file: SavedFile): FileStat | null {
    try {
      return statEntry(file.path);
    } catch (error) {
      if (file.explicit || !isGone(error)) tally.problem(file.path, error);
      file.settle(null);
      return null;
    }
  }

  function replaced(file: SavedFile, message: string, code: string): void {
    const stat = lookAgain(file);
    if (!stat) return;
    const type = typeOfStatMode(stat.mode);
    if (type === 'dir' || (type === 'file' && file.again)) {
      fail(file, message, code);
      return;
    }
    const node = type === 'socket' ? null : nodeNow(file, stat);
    if (type === 'file' && node) enqueue({ ...file, stat, node, again: true });
    else file.settle(node);
  }

  const nodeNow = ({ path, node, previous, explicit }: SavedFile, stat: FileStat): TreeNode | null =>
    nodeOf(path, node.name, stat, previous, explicit);

  function keep(file: SavedFile, node: TreeNode, outcome: FileOutcome): void {
    node.content = contentIds(outcome.content!);
    if (outcome.size === 0) delete node.size;
    else node.size = outcome.size;
    const { newBytes, packedBytes: storedBytes } = outcome;
    tally.file(file.path, node, file.previous, file.startMs, { newBytes, storedBytes });
    file.settle(node);
  }

  function done(file: SavedFile, outcome: FileOutcome): void {
    const { path, node } = file;
    if (outcome.problem || !outcome.content) {
      const { message, code } = outcome.problem ?? { message: 'cannot be read', code: 'EIO' };
      if (replacedCodes.has(code)) replaced(file, message, code);
      else fail(file, message, code);
      return;
    }
    let standing: TreeNode | null = outcome.state === 'same' ? node : null;
    if (outcome.state === 'newer') {
      const stat = lookAgain(file);
      if (!stat) return;
      if (typeOfStatMode(stat.mode) === 'file' && sameFacts(factsOf(stat), outcome.seen))
        standing = nodeNow(file, stat);
    }
    // Else stored with the times of the first look, so that the next backup reads it again.
    if (!standing)
      tally.problem(path, Object.assign(new Error('changed while it was read'), { code: 'ECHANGED' }));
    keep(file, standing ?? node, outcome);
  }

  return {
    save(file) {
      const meeting = file.stat.nlink > 1 ? linked.meet(file) : 'read';
      if (meeting === 'read') enqueue(file);
      else if (meeting !== 'wait') done(file, meeting);
    },
    read(file, outcome) {
      const others = linked.read(file, outcome);
      done(file, outcome);
      for (const other of others.waiting) {
        if (others.outcome) done(other, others.outcome);
        else enqueue(other);
      }
    },
  };
}
