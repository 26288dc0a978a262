import { hasCode, messageOf } from '../../core/errors.ts';
import {
  type BackupType,
  type LogicalManifest,
  type PhysicalManifest,
  postgresTags,
  tagValue,
} from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { newestFirst } from '../../policy/retention.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import type { Repository } from '../../repository/repository.ts';
import { readManifest } from '../look/read-manifest.ts';
import type { BackupGround } from './backup.ts';

/** Which earlier snapshot a backup of a database goes on from. */

export interface BaseRule {
  /** Name of the source. */
  readonly source: string;
  readonly kind: 'postgres-physical' | 'postgres-logical';
  /** Of physical backups: `full` goes on from none, `differential` from the latest full one. */
  readonly type: BackupType;
}

/** The latest snapshot that fits the rule, or null. */
export function chooseBase(snapshots: readonly StoredSnapshot[], rule: BaseRule): StoredSnapshot | null {
  const { source, kind, type } = rule;
  if (kind === 'postgres-physical' && type === 'full') return null;
  const fits = ({ tags }: StoredSnapshot): boolean =>
    tagValue(tags, postgresTags.source) === source &&
    tagValue(tags, postgresTags.kind) === kind &&
    (type !== 'differential' || tagValue(tags, postgresTags.type) === 'full');
  return newestFirst(snapshots.filter(fits))[0] ?? null;
}

export interface SourceBase {
  readonly snapshot: StoredSnapshot;
  readonly manifest: PhysicalManifest | LogicalManifest;
}

/**
 * The base with its manifest. One whose manifest cannot be read is none, with a warning: reading everything
 * again costs time, failing costs the backup.
 */
export async function readBase(
  repository: Repository,
  ground: BackupGround,
  rule: BaseRule,
  warn: (message: string) => void,
): Promise<SourceBase | null> {
  const snapshot = chooseBase(ground.snapshots, rule);
  if (!snapshot) return null;
  const reader = openBlobReader(repository, ground.index);
  try {
    const manifest = await readManifest(reader, snapshot);
    return manifest && { snapshot, manifest };
  } catch (error) {
    if (!hasCode(error, 'repository-damaged', 'storage-missing-file')) throw error;
    warn(`${messageOf(error)}; everything is read again`);
    return null;
  } finally {
    reader.close();
  }
}
