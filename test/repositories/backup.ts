import { bytesOfText } from '../../src/core/bytestring.ts';
import {
  type BackupReport,
  type BackupRequest,
  readGround,
  runBackup,
} from '../../src/engine/backup/backup.ts';
import { anySnapshot } from '../../src/policy/snapshot-selection.ts';
import type { Repository } from '../../src/repository/repository.ts';

/** Small, so that few bytes already fill several packs. */
export const smallPackBytes = 24 * 1024;

/** Backs up a folder with every option at rest. Takes no lock: that is the caller's. */
export async function backUp(
  repository: Repository,
  folder: string,
  options: Partial<BackupRequest> = {},
): Promise<BackupReport> {
  return runBackup(repository, await readGround(repository), {
    source: { paths: [bytesOfText(folder)] },
    selection: { keepPath: () => true, keepEntry: () => true },
    parent: { named: undefined, filter: anySnapshot },
    ignoreInode: false,
    ignoreCtime: false,
    withAtime: false,
    skipIfUnchanged: false,
    tags: [],
    excludes: [],
    host: 'test',
    timeMs: undefined,
    program: 'lifeboat test',
    workingDirectory: '/',
    compression: 'auto',
    packBytes: smallPackBytes,
    workers: 1,
    signal: new AbortController().signal,
    events: {
      problem(path, error) {
        throw new Error(`${path}: ${String(error)}`);
      },
    },
    ...options,
  });
}
