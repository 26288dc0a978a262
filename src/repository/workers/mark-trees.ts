import { LifeboatError, messageOf } from '../../core/errors.ts';
import { type Id, isId } from '../../model/id.ts';
import type { BlobDecoder } from '../blob-decoder.ts';
import { type EntrySet, openEntrySet } from '../index/entry-set.ts';
import { type BlobTable, type BlobType, openTable } from '../index/table.ts';
import type { Jobs, MissingBlob, RawKey } from './protocol.ts';
import { eachReadableBlob } from './transfer.ts';

interface RawNode {
  type?: unknown;
  content?: unknown;
  subtree?: unknown;
}

export interface MarkContext {
  readonly table: BlobTable;
  readonly used: EntrySet;
  /** Trees that this very call has marked: their own content is still to be read. */
  readonly subtrees: number[];
  readonly missing: MissingBlob[];
}

const idBytes = Buffer.alloc(32);

/**
 * Marks every blob that a tree refers to. Content counts for whatever kind of entry names it; a blob that is
 * not in the index is only missing where a file or a directory needs it.
 * @param tree the tree's JSON. @throws LifeboatError `repository-damaged` where it is none.
 */
export function markTree({ table, used, subtrees, missing }: MarkContext, tree: Uint8Array, id: Id): void {
  const mark = (type: BlobType, blob: unknown, needed: boolean): void => {
    if (typeof blob !== 'string' || !isId(blob))
      throw new LifeboatError(
        'repository-damaged',
        `tree ${id} refers to ${JSON.stringify(blob)}, which is no ID`,
      );
    idBytes.write(blob, 'hex');
    const entry = table.find(type, idBytes);
    if (entry < 0) {
      if (needed) missing.push({ type, id: blob, tree: id });
    } else if (used.add(entry) && type === 'tree') subtrees.push(entry);
  };
  for (const { type, content, subtree } of nodesOf(tree, id)) {
    if (Array.isArray(content)) for (const blob of content) mark('data', blob, type === 'file');
    if (subtree !== undefined && subtree !== null) mark('tree', subtree, type === 'dir');
    else if (type === 'dir')
      throw new LifeboatError('repository-damaged', `tree ${id} has a directory without a tree of its own`);
  }
}

function nodesOf(tree: Uint8Array, id: Id): readonly RawNode[] {
  let value: { nodes?: unknown } | null;
  try {
    // IDs are ASCII, so bytes taken as Latin-1 say all that is needed, also where names are no UTF-8.
    value = JSON.parse(
      Buffer.from(tree.buffer, tree.byteOffset, tree.byteLength).toString('latin1'),
    ) as typeof value;
  } catch (error) {
    throw new LifeboatError('repository-damaged', `tree ${id} is not JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (typeof value !== 'object' || value === null || !('nodes' in value))
    throw new LifeboatError('repository-damaged', `tree ${id} has no list of nodes`);
  // Go writes a list without elements as null.
  const nodes = value.nodes ?? [];
  if (!Array.isArray(nodes) || nodes.some((node) => typeof node !== 'object' || node === null))
    throw new LifeboatError('repository-damaged', `tree ${id} has something else than a list of nodes`);
  return nodes as RawNode[];
}

/** Reads trees of one pack and marks what they refer to. Trees that cannot be read are told, not thrown. */
export function markTrees(
  ownTable: BlobTable,
  decoderOf: (key: RawKey | null) => BlobDecoder,
  { source, packName, entries, used: memory, foreign }: Jobs['markTrees']['input'],
): Jobs['markTrees']['output'] {
  const table = foreign ? openTable(foreign.table) : ownTable;
  const decoder = decoderOf(foreign?.key ?? null);
  const context: MarkContext = { table, used: openEntrySet(memory), subtrees: [], missing: [] };
  const problems: { entry: number; message: string }[] = [];
  const blobs = Array.from(entries, (entry) => ({ entry, ...table.locationOf(entry) }));
  const bytes = Buffer.alloc(32);
  eachReadableBlob(source, blobs, ({ entry, uncompressedLength }, sealed, failure) => {
    table.copyId(entry, bytes);
    const id = bytes.toString('hex') as Id;
    let tree: Uint8Array;
    try {
      if (!sealed) throw new Error(failure ?? `pack ${packName} is too short to hold tree ${id}`);
      tree = decoder.decode({ id, uncompressedLength }, sealed);
    } catch (error) {
      problems.push({ entry, message: messageOf(error) });
      return;
    }
    markTree(context, tree, id);
  });
  return { subtrees: Int32Array.from(context.subtrees), missing: context.missing, problems };
}
