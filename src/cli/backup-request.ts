import { hostname } from 'node:os';
import type { BackupRequest } from '../engine/backup/backup.ts';
import { createSelection } from '../engine/backup/selection.ts';
import type { CommandContext } from './command.ts';
import { lifeboatVersion } from './version.ts';

/** What is the same for every backup that a command makes, until an option says otherwise. */

type Context = Pick<CommandContext, 'global' | 'signal'>;

/** Leaves nothing out, goes on from no snapshot, and takes the host's own name. */
export function usualBackupRequest(
  { global, signal }: Context,
  warn: (message: string) => void,
): Omit<BackupRequest, 'source' | 'events'> {
  const workingDirectory = process.cwd();
  return {
    selection: createSelection(
      { excluded: [], tagFiles: [], sizeMax: undefined, oneFileSystem: undefined, warn },
      workingDirectory,
    ),
    parent: null,
    ignoreInode: false,
    ignoreCtime: false,
    withAtime: false,
    skipIfUnchanged: false,
    tags: [],
    excludes: [],
    host: hostname(),
    timeMs: undefined,
    program: `lifeboat ${lifeboatVersion()}`,
    workingDirectory,
    compression: global.compression as BackupRequest['compression'],
    packBytes: global.packBytes,
    workers: undefined,
    signal,
  };
}
