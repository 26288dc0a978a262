import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localStorage } from '../../src/storage/local/local.ts';
import { type Ended, ended, lifeboat, start } from '../programs.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';
import type { Cluster } from './cluster.ts';

/** A configuration, its repositories and a cluster, worked on by bin/lifeboat as a user would. */

export interface WorkspaceOptions {
  readonly cluster: Cluster;
  readonly method?: 'logical' | 'physical';
  /** Keys of the journal, as the file has them; null for none. */
  readonly journal?: Readonly<Record<string, string>> | null;
  /** Further keys of the source, as the file has them. */
  readonly source?: Readonly<Record<string, unknown>>;
  /** Names of repositories; one, `local`, unless said. */
  readonly repositories?: readonly string[];
  /** Connection string of the source; the superuser's unless said. */
  readonly url?: string;
}

/** The name of the source in every workspace. */
export const sourceName = 'app-db';

export interface Workspace {
  /** Holds everything but the cluster. */
  readonly folder: string;
  readonly configPath: string;
  /** Folder of the first repository; its password is `testPassword`. */
  readonly repository: string;
  repositoryNamed(name: string): string;
  /** Replaces keys of the source and writes the file again. */
  configure(source: Readonly<Record<string, unknown>>): void;
  /** Runs bin/lifeboat with this configuration to its end, whatever its status. */
  lifeboat(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Starts bin/lifeboat with this configuration and leaves it running. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): ChildProcessWithoutNullStreams;
  destroy(): void;
}

/** The caller destroys it, and the cluster by itself. */
export async function createWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-workspace-'));
  // The servers' account reads what is restored below it.
  chmodSync(folder, 0o755);
  const names = options.repositories ?? ['local'];
  const repositoryNamed = (name: string): string => join(folder, `repository-${name}`);
  for (const name of names) await createCheapRepository(localStorage(repositoryNamed(name)));
  const keyFile = join(folder, 'repository.key');
  writeFileSync(keyFile, `${testPassword}\n`, { mode: 0o600 });

  const configPath = join(folder, 'lifeboat.yaml');
  const first = {
    type: 'postgres',
    url: 'env:DATABASE_URL',
    method: options.method ?? 'physical',
    ...(options.journal ? { journal: options.journal } : {}),
    ...options.source,
  };
  const configure = (source: Readonly<Record<string, unknown>>): void => {
    const repositories = Object.fromEntries(
      names.map((name) => [name, { path: `repository-${name}`, password: `file:${keyFile}` }]),
    );
    // JSON is YAML.
    writeFileSync(
      configPath,
      JSON.stringify({ version: 1, repositories, sources: { [sourceName]: source } }, null, 2),
    );
  };
  configure(first);

  const startLifeboat: Workspace['start'] = (args, env = {}) =>
    start(lifeboat(), args, {
      password: '',
      env: { LIFEBOAT_CONFIG: configPath, DATABASE_URL: options.url ?? options.cluster.url, ...env },
    });

  return {
    folder,
    configPath,
    repository: repositoryNamed(names[0]!),
    repositoryNamed,
    configure: (source) => configure({ ...first, ...source }),
    start: startLifeboat,
    lifeboat(args, env) {
      const child = startLifeboat(args, env);
      child.stdin.end();
      return ended(child);
    },
    destroy: () => rmSync(folder, { recursive: true, force: true }),
  };
}
