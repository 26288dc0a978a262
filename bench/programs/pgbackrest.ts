import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCommand } from '../../scripts/test/system-packages.ts';
import type { Command } from '../measure/process.ts';
import { NotMeasured } from '../settings.ts';
import { canInstall, install } from './install.ts';
import { asServer, runAsServer, type Server, serverAccount } from './postgres.ts';
import { versionLine } from './program.ts';

/** The peer for physical backups: two processes, zstd 3, a repository on the same disk, no encryption. */
export interface PgBackRest {
  readonly name: string;
  /** Holds everything of it. */
  readonly folder: string;
  readonly repository: string;
  /** What a server runs for each segment. */
  readonly archiveCommand: string;
  /** Names a server's data directory; all later commands are about it. */
  configure(server: Pick<Server, 'data' | 'socket'>, more?: Readonly<Record<string, string>>): void;
  command(...args: string[]): Command;
  /** Runs a command to its end, untimed. @throws NotMeasured. */
  run(...args: string[]): void;
}

const stanza = 'bench';

/** @throws NotMeasured where it is not installed. */
export function pgBackRestName(): string {
  if (!hasCommand('pgbackrest') && canInstall()) install(['pgbackrest']);
  if (!hasCommand('pgbackrest')) throw new NotMeasured('pgbackrest is not installed');
  const version = /(\d[\d.]*)/.exec(versionLine('pgbackrest', 'version'))?.[1] ?? 'of unknown version';
  return `pgBackRest ${version}, 2 processes, zstd 3`;
}

/** @param folder one of the servers' account. @throws NotMeasured where it is not installed. */
export function pgBackRest(folder: string): PgBackRest {
  const name = pgBackRestName();
  const configuration = join(folder, 'pgbackrest.conf');
  const repository = join(folder, 'repository');
  const owner = serverAccount();
  const owned = (path: string): string => {
    if (!existsSync(path)) mkdirSync(path, { recursive: true });
    if (owner) chownSync(path, owner.uid, owner.gid);
    return path;
  };
  const general = [`--config=${configuration}`, `--stanza=${stanza}`];
  return {
    name,
    folder,
    repository,
    archiveCommand: `pgbackrest ${general.join(' ')} archive-push "%p"`,
    configure({ data, socket }, more = {}) {
      owned(folder);
      const settings = {
        'repo1-path': owned(repository),
        'lock-path': owned(join(folder, 'lock')),
        'spool-path': owned(join(folder, 'spool')),
        'log-level-file': 'off',
        'log-level-console': 'error',
        'process-max': '2',
        'compress-type': 'zst',
        'compress-level': '3',
        'start-fast': 'y',
        ...more,
      };
      const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
      const cluster = [
        `pg1-path=${data}`,
        `pg1-socket-path=${socket}`,
        'pg1-port=54321',
        'pg1-user=postgres',
      ];
      writeFileSync(
        configuration,
        ['[global]', ...lines, `[${stanza}]`, ...cluster, 'pg1-database=postgres', ''].join('\n'),
      );
    },
    command: (...args) => asServer({ file: 'pgbackrest', args: [...general, ...args], env: { LC_ALL: 'C' } }),
    run(...args) {
      runAsServer('/usr/bin/env', ['pgbackrest', ...general, ...args]);
    },
  };
}
