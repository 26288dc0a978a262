import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackupReport } from '../../src/engine/backup/backup.ts';
import type { LogicalManifest } from '../../src/model/postgres-manifest.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
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
  remove(): void;
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
  return {
    folder,
    repository,
    open,
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
