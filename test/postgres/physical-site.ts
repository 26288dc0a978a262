import assert from 'node:assert/strict';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readManifest } from '../../src/engine/look/read-manifest.ts';
import type { Id } from '../../src/model/id.ts';
import type { BackupType, PhysicalManifest } from '../../src/model/postgres-manifest.ts';
import { anySnapshot } from '../../src/policy/snapshot-selection.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import type { PhysicalBackupOptions } from '../../src/sources/postgres/physical/options.ts';
import { createPhysicalSource } from '../../src/sources/postgres/physical/source.ts';
import { run, systemRestic } from '../programs.ts';
import { backUp } from '../repositories/backup.ts';
import { type Cluster, createCluster, runAsServer, serverFolder } from './cluster.ts';
import { asServerAccount, type Server } from './programs.ts';

/** Physical backups without the command line, and what stock restic and pg_ctl make of them. */

export interface Taken {
  readonly id: string;
  readonly manifest: PhysicalManifest;
  readonly newBytes: number;
  readonly unmodified: number;
  readonly warnings: string[];
}

/** Gives a file or folder to the account of the servers. */
export function own(path: string): void {
  const { uid, gid } = asServerAccount();
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** A folder of the servers' account for a tablespace. */
export function ownFolder(path: string): string {
  mkdirSync(path, { mode: 0o700 });
  own(path);
  return path;
}

export async function lastManifest(
  repository: Repository,
): Promise<{ snapshot: string; manifest: PhysicalManifest } | null> {
  const { snapshots } = await listSnapshots(repository);
  const last = snapshots.sort((a, b) => (a.time < b.time ? -1 : 1)).at(-1);
  if (!last) return null;
  const reader = openBlobReader(repository, await loadIndex(repository));
  try {
    const manifest = await readManifest(reader, last);
    return { snapshot: last.id, manifest: manifest as PhysicalManifest };
  } finally {
    reader.close();
  }
}

const slowMs = 15;

export type TakeOptions = Partial<Omit<PhysicalBackupOptions, 'type'>> & {
  readonly url?: string;
  /** Once the copy has begun, before the first file is read. */
  readonly begun?: () => Promise<void>;
  /** Is done beside the copy, which is slowed down until it has ended. */
  readonly beside?: () => Promise<void>;
};

/** Takes a backup that goes on from the last one in the repository, unless it is full. */
export async function take(
  repository: Repository,
  cluster: Pick<Cluster, 'url'>,
  way: 'auto' | 'local' | 'remote',
  type: BackupType = 'full',
  { url, begun, beside, ...more }: TakeOptions = {},
): Promise<Taken> {
  const last = await lastManifest(repository);
  const comparedWith = more.comparedWith ?? (type === 'full' ? null : last);
  const warnings: string[] = [];
  const source = createPhysicalSource({
    source: 'app-db',
    settings: await connectionSettings(url ?? cluster.url, { password: null, env: {} }),
    way,
    dataDirectory: null,
    type,
    previous: last?.manifest ?? null,
    archiving: null,
    signal: new AbortController().signal,
    ...more,
    comparedWith,
  });
  const entries: typeof source = {
    ...source,
    async *entries(given) {
      let working: Promise<void> | null = null;
      let isDone = !beside;
      for await (const entry of source.entries(given)) {
        if (!working) {
          await begun?.();
          working = (beside?.() ?? Promise.resolve()).finally(() => {
            isDone = true;
          });
          working.catch(() => undefined); // awaited below
        }
        // Not held up altogether: statements may wait for the process that sends the copy.
        if (!isDone) await sleep(slowMs);
        yield entry;
      }
      assert.ok(isDone, 'the copy ended before all was done beside it');
      await working;
    },
  };
  const report = await backUp(repository, '', {
    source: { entries },
    parent: comparedWith && { named: comparedWith.snapshot, filter: anySnapshot },
    packBytes: undefined,
    tags: [],
    events: {
      problem(path, error) {
        throw new Error(`${path}: ${String(error)}`);
      },
      warning: (message) => warnings.push(message),
    },
  });
  return {
    id: report.snapshotId!,
    manifest: source.manifest()!,
    newBytes: report.summary.data_added,
    unmodified: report.summary.files_unmodified,
    warnings,
  };
}

/** What stock restic makes of a snapshot. @returns the folder that it restored into; the caller deletes it. */
export async function restoreByRestic(repository: Repository, id: string): Promise<string> {
  const target = serverFolder();
  const restored = await run(systemRestic, ['restore', id, '--target', target], {
    repository: repository.storage.location,
  });
  assert.equal(restored.status, 0, restored.stderr);
  return target;
}

/** Restores by stock restic, puts each tablespace aside and starts the server with stock pg_ctl. */
export async function startRestored(
  repository: Repository,
  server: Server,
  { id, manifest }: Pick<Taken, 'id' | 'manifest'>,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<Cluster> {
  const target = await restoreByRestic(repository, id);
  const root = join(target, 'app-db');
  const lines: string[] = [];
  for (const { oid } of manifest.tablespaces) {
    const place = join(target, `tablespace-${oid}`);
    await runAsServer('/bin/mv', [join(root, 'tablespaces', String(oid)), place]);
    lines.push(`${oid} ${place}\n`);
  }
  if (lines.length > 0) writeFileSync(join(root, 'data', 'tablespace_map'), lines.join(''));
  const started = await createCluster({ server, data: join(root, 'data'), settings });
  const destroy = async (): Promise<void> => {
    await started.destroy();
    rmSync(target, { recursive: true, force: true });
  };
  try {
    await started.start();
  } catch (error) {
    await destroy();
    throw error;
  }
  return { ...started, destroy };
}

/** What a snapshot's files hold: paths below the source, each with the blobs of its content. */
export async function contentsOf(repository: Repository, id: string): Promise<Map<string, string>> {
  const { snapshots } = await listSnapshots(repository);
  const reader = openBlobReader(repository, await loadIndex(repository));
  const contents = new Map<string, string>();
  const visit = async (tree: Id, path: string): Promise<void> => {
    for (const node of await reader.loadTree(tree)) {
      const child = `${path}/${node.name}`;
      if (node.subtree) await visit(node.subtree, child);
      else if (node.type === 'file') contents.set(child, (node.content ?? []).join(' '));
    }
  };
  try {
    await visit(snapshots.find((snapshot) => snapshot.id === id)!.tree!, '');
  } finally {
    reader.close();
  }
  return contents;
}
