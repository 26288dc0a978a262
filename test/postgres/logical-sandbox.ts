import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupReport } from '../../src/engine/backup/backup.ts';
import { readManifest } from '../../src/engine/look/read-manifest.ts';
import {
  executeLogicalRestore,
  type LogicalRestoreReport,
} from '../../src/engine/recover/logical/execute.ts';
import { planLogicalRestore } from '../../src/engine/recover/logical/plan.ts';
import type { LogicalRestorePlan, LogicalRestoreRequest } from '../../src/engine/recover/logical/request.ts';
import { type Overwritten, safetySource } from '../../src/engine/recover/logical/safety.ts';
import type { LogicalManifest } from '../../src/model/postgres-manifest.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import {
  type LogicalBackupOptions,
  lockWaitDefaultMs,
  wholeDatabase,
} from '../../src/sources/postgres/logical/options.ts';
import { createLogicalSource } from '../../src/sources/postgres/logical/source.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';

/** A repository for dumps of databases, without the command line in between. */
export interface LogicalSandbox {
  readonly folder: string;
  readonly repository: string;
  open(): Promise<Repository>;
  /** Backs up what `url` connects to. */
  dump(url: string, more?: Partial<LogicalBackupOptions>): Promise<Dumped>;
  /** Plans the restore of a snapshot, the newest unless one is named, to the server of `url`, and carries it out. */
  restore(
    url: string,
    more?: Partial<LogicalRestoreRequest>,
    snapshot?: string,
    beforeDrop?: (what: Overwritten) => Promise<void>,
  ): Promise<Restored>;
  /** IDs, the oldest first. */
  snapshots(): Promise<string[]>;
  plan(url: string, more?: Partial<LogicalRestoreRequest>, snapshot?: string): Promise<LogicalRestorePlan>;
  remove(): void;
}

export interface Restored {
  readonly plan: LogicalRestorePlan;
  readonly report: LogicalRestoreReport;
  readonly warnings: readonly string[];
  /** IDs of the snapshots of what was overwritten. */
  readonly safety: readonly string[];
}

export interface Dumped {
  readonly report: BackupReport;
  readonly manifest: LogicalManifest;
  readonly warnings: readonly string[];
}

/** Name of the source in the sandbox. */
export const dumpedSource = 'app';

export async function createLogicalSandbox(): Promise<LogicalSandbox> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-logical-'));
  const repository = join(folder, 'repository');
  await createCheapRepository(localStorage(repository));
  const open = (): Promise<Repository> => openRepository(localStorage(repository), testPassword);

  async function request(
    url: string,
    more: Partial<LogicalRestoreRequest>,
    named: string | undefined,
  ): Promise<LogicalRestoreRequest> {
    const opened = await open();
    const { snapshots } = await listSnapshots(opened);
    const newest = snapshots.toSorted((a, b) => (a.time < b.time ? -1 : 1)).at(-1)!;
    const snapshot = named === undefined ? newest : snapshots.find(({ id }) => id === named)!;
    const reader = openBlobReader(opened, await loadIndex(opened));
    return {
      snapshot: { id: snapshot.id, time: snapshot.time, tree: snapshot.tree! },
      manifest: (await readManifest(reader, snapshot)) as LogicalManifest,
      reader,
      settings: await connectionSettings(url, { password: null, env: { HOME: folder } }),
      binDirectory: null,
      databases: [],
      renamed: null,
      tables: [],
      schemas: [],
      drop: false,
      jobs: 1,
      owner: true,
      privileges: true,
      globals: false,
      safetyBackup: false,
      onError: 'stop',
      analyze: false,
      scratch: folder,
      signal: new AbortController().signal,
      ...more,
    };
  }

  return {
    folder,
    repository,
    open,
    async snapshots() {
      const { snapshots } = await listSnapshots(await open());
      return snapshots.toSorted((a, b) => (a.time < b.time ? -1 : 1)).map(({ id }) => id);
    },
    plan: async (url, more = {}, named) => planLogicalRestore(await request(url, more, named)),
    async restore(url, more = {}, named, beforeDrop) {
      const asked = await request(url, more, named);
      const plan = await planLogicalRestore(asked);
      const warnings: string[] = [];
      const safety: string[] = [];
      const report = await executeLogicalRestore(
        plan,
        asked,
        async (what) => {
          const entries = safetySource(what, asked.settings, {
            source: dumpedSource,
            binDirectory: null,
            scratch: folder,
            signal: asked.signal,
          });
          const { snapshotId } = await backUp(await open(), '', { source: { entries }, parent: null });
          safety.push(snapshotId!);
          await beforeDrop?.(what);
        },
        { warning: (message) => warnings.push(message) },
      );
      return { plan, report, warnings, safety };
    },
    async dump(url, more = {}) {
      const signal = more.signal ?? new AbortController().signal;
      const source = createLogicalSource({
        source: dumpedSource,
        settings: await connectionSettings(url, { password: null, env: { HOME: folder } }),
        binDirectory: null,
        databases: [],
        allDatabases: false,
        selection: wholeDatabase,
        jobs: 1,
        scratch: folder,
        lockWaitMs: lockWaitDefaultMs,
        previous: null,
        signal,
        ...more,
      });
      const warnings: string[] = [];
      const report = await backUp(await open(), '', {
        source: { entries: source },
        parent: null,
        packBytes: undefined,
        signal,
        events: {
          warning: (message) => warnings.push(message),
          problem(path, error) {
            throw new Error(`${path}: ${String(error)}`);
          },
        },
      });
      return { report, manifest: source.manifest()!, warnings };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
