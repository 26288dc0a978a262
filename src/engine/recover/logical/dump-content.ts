import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOfText, toText } from '../../../core/bytestring.ts';
import { errnoOf, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { TreeNode } from '../../../model/node.ts';
import type { LogicalDatabase } from '../../../model/postgres-manifest.ts';
import { findDumpTarget } from '../../dump/dump-path.ts';
import { contentOf, wholeContent } from '../../dump/file-content.ts';
import type { LogicalRestoreRequest } from './request.ts';

/** The dump of a database in its snapshot. */

type Place = Pick<LogicalRestoreRequest, 'reader' | 'snapshot' | 'manifest'>;

const damaged = (path: string): LifeboatError =>
  new LifeboatError('repository-damaged', `the snapshot has no ${path}, which its manifest names`);

async function fileAt({ reader, snapshot, manifest }: Place, path: string): Promise<TreeNode> {
  const found = await findDumpTarget(reader, snapshot.tree, bytesOfText(`/${manifest.source}/${path}`));
  if (found.kind !== 'file') throw damaged(path);
  return found.node;
}

async function filesOf({ reader, snapshot, manifest }: Place, path: string): Promise<TreeNode[]> {
  const found = await findDumpTarget(reader, snapshot.tree, bytesOfText(`/${manifest.source}/${path}`));
  if (found.kind !== 'folder') throw damaged(path);
  return reader.loadTree(found.tree);
}

/** The bytes of a dump in pg_dump's custom format, blob after blob. */
export async function streamDump(
  place: Place,
  { path }: LogicalDatabase,
): Promise<AsyncIterable<Uint8Array>> {
  return contentOf(place.reader, await fileAt(place, path));
}

/** The script of roles and tablespaces; null where the snapshot has none. */
export async function readGlobals(place: Place): Promise<string | null> {
  if (!place.manifest.globals) return null;
  const blobs = await wholeContent(place.reader, await fileAt(place, 'globals.sql'));
  return Buffer.concat(blobs).toString('utf8');
}

async function writeFile(place: Place, node: TreeNode, path: string, signal: AbortSignal): Promise<void> {
  const fd = openSync(path, 'wx', 0o600);
  try {
    for await (const blob of contentOf(place.reader, node)) {
      signal.throwIfAborted();
      for (let done = 0; done < blob.length; ) done += writeSync(fd, blob, done);
    }
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    throw new LifeboatError('scratch-full', `cannot write ${path}: ${messageOf(error)}`, {
      cause: error,
      hint: 'free some space, or name another folder as scratch',
    });
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a dump below a folder, for jobs that need to seek in it.
 * @param tocOnly only as much of a folder as its table of contents needs.
 * @returns the path for pg_restore.
 */
export async function writeDump(
  place: Place,
  database: LogicalDatabase,
  folder: string,
  signal: AbortSignal,
  tocOnly = false,
): Promise<string> {
  const target = join(folder, 'dump');
  if (database.format === 'custom') {
    await writeFile(place, await fileAt(place, database.path), target, signal);
    return target;
  }
  mkdirSync(target, { mode: 0o700 });
  for (const node of await filesOf(place, database.path)) {
    if (node.type !== 'file') continue;
    // Names are checked by the reader: none leads out of the folder.
    if (tocOnly && node.name !== 'toc.dat') continue;
    await writeFile(place, node, join(target, toText(node.name)), signal);
  }
  return target;
}
