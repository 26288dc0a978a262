import { bytesOfText } from '../../core/bytestring.ts';
import { hasCode, LifeboatError, messageOf } from '../../core/errors.ts';
import {
  type LogicalManifest,
  type PhysicalManifest,
  postgresTags,
  tagValue,
} from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { type DataSource, wholeContent } from '../dump/file-content.ts';
import { findSubtree, type TreeSource } from '../walk/walk-tree.ts';

/** Below the folder of the source in its snapshots. */
const manifestFolder = '.lifeboat';
const manifestName = 'manifest.json';

/**
 * The manifest of a source's snapshot; null where the snapshot is not one of a database.
 * @throws LifeboatError `repository-damaged` where it should have one that can be read, storage errors.
 */
export async function readManifest(
  reader: TreeSource & DataSource,
  snapshot: StoredSnapshot,
): Promise<PhysicalManifest | LogicalManifest | null> {
  const source = tagValue(snapshot.tags, postgresTags.source);
  const kind = tagValue(snapshot.tags, postgresTags.kind);
  if (source === null || kind === null || !snapshot.tree) return null;
  const damaged = (why: string, cause?: unknown): LifeboatError =>
    new LifeboatError(
      'repository-damaged',
      `the manifest of the snapshot ${snapshot.id.slice(0, 8)} ${why}`,
      { cause },
    );
  try {
    const folder = await findSubtree(reader, snapshot.tree, bytesOfText(`/${source}/${manifestFolder}`));
    const node = (await reader.loadTree(folder)).find(({ name }) => name === manifestName);
    if (!node) throw damaged('is missing');
    const manifest: unknown = JSON.parse(Buffer.concat(await wholeContent(reader, node)).toString('utf8'));
    if (isManifest(manifest) && manifest.source === source) return manifest;
  } catch (error) {
    if (hasCode(error, 'path-missing')) throw damaged('is missing', error);
    if (error instanceof SyntaxError) throw damaged(`is no JSON: ${messageOf(error)}`, error);
    throw error;
  }
  throw damaged('was written by another version of this program, or is no manifest');
}

function isManifest(value: unknown): value is PhysicalManifest | LogicalManifest {
  const { version, kind } = (value ?? {}) as { version?: unknown; kind?: unknown };
  return version === 1 && (kind === 'postgres-physical' || kind === 'postgres-logical');
}
