import { join } from 'node:path';
import { hasCommand } from '../../scripts/test/system-packages.ts';
import { NotMeasured } from '../settings.ts';
import { canInstall, install } from './install.ts';
import { benchPassword, type Program, versionLine } from './program.ts';

/** Encrypted (repokey). Its caches are on, because borg finds unchanged files by them, and lie below `folder`. */
export function borg(folder: string): Program {
  if (!hasCommand('borg') && canInstall()) install(['borgbackup']);
  if (!hasCommand('borg')) throw new NotMeasured('borg is not installed');
  return {
    name: versionLine('borg', '--version'),
    command: (repository, ...args) => ({
      file: 'borg',
      args,
      env: {
        BORG_REPO: repository,
        BORG_PASSPHRASE: benchPassword,
        BORG_BASE_DIR: join(folder, 'borg'),
        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
        BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
      },
    }),
  };
}
