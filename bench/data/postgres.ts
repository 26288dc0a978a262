import { spawnSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCommand } from '../../scripts/test/system-packages.ts';
import { visitFiles } from '../measure/files.ts';
import { canInstall, install } from '../programs/install.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import type { Recipe } from './data-set.ts';

const versionsFolder = '/usr/lib/postgresql';

/** The folder of the newest PostgreSQL's server programs. @throws NotMeasured. */
function serverPrograms(): string {
  const newest = (): string | undefined =>
    existsSync(versionsFolder)
      ? readdirSync(versionsFolder)
          .filter((version) => existsSync(join(versionsFolder, version, 'bin', 'initdb')))
          .sort((a, b) => Number(a) - Number(b))
          .at(-1)
      : undefined;
  if (newest() === undefined && canInstall()) install(['postgresql', 'postgresql-contrib']);
  const version = newest();
  if (version === undefined) throw new NotMeasured('PostgreSQL is not installed');
  return join(versionsFolder, version, 'bin');
}

/** initdb refuses to run as root, so root lends its rights to Debian's user. */
const isRoot = process.getuid?.() === 0;
const userName = 'postgres';

function idOf(flag: '-u' | '-g'): number {
  return Number(spawnSync('id', [flag, userName], { encoding: 'utf8' }).stdout);
}

function run(programs: string, name: string, ...args: string[]): void {
  const program = join(programs, name);
  const [file, all] = isRoot ? ['runuser', ['-u', userName, '--', program, ...args]] : [program, args];
  // A server that was started keeps its parent's output open, so it must not be a pipe.
  const output = name === 'pg_ctl' ? 'ignore' : 'pipe';
  const { status, stderr, error } = spawnSync(file, all, {
    encoding: 'utf8',
    cwd: '/',
    stdio: ['ignore', output, output],
  });
  if (status !== 0)
    throw new NotMeasured(`${name} failed: ${error?.message ?? stderr?.trim().split('\n').at(-1) ?? status}`);
}

/**
 * (c) A data directory as pgbench fills it, its server stopped cleanly. The server listens on a socket in a
 * folder of its own and on no port, so that it meets no other.
 */
export function postgres(quick: boolean): Recipe {
  const scale = quick ? 4 : 72;
  const bytesWanted = quick ? 60e6 : 1e9;
  return {
    name: `postgres-${scale}`,
    title: 'PostgreSQL data directory',
    version: 1,
    spaceBytes: 5 * bytesWanted,
    make(folder) {
      const programs = serverPrograms();
      if (isRoot && !hasCommand('runuser')) throw new NotMeasured('runuser is not installed');
      const home = mkdtempSync(join(tmpdir(), 'lifeboat-bench-postgres-'));
      const data = join(home, 'data');
      if (isRoot) chownSync(home, idOf('-u'), idOf('-g'));
      try {
        run(programs, 'initdb', '-D', data, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync');
        const options = `-k ${home} -c listen_addresses='' -c fsync=off -c max_wal_size=256MB`;
        run(programs, 'pg_ctl', '-D', data, '-w', '-l', join(home, 'log'), '-o', options, 'start');
        try {
          const pgbench = (...args: string[]): void =>
            run(programs, 'pgbench', '-h', home, ...args, 'postgres');
          pgbench('-i', '-q', '-s', String(scale));
          pgbench('-n', '-c', '2', '-t', quick ? '200' : '5000');
        } finally {
          run(programs, 'pg_ctl', '-D', data, '-w', '-m', 'fast', 'stop');
        }
        cpSync(data, join(folder, 'data'), { recursive: true, preserveTimestamps: true });
      } finally {
        removeFolder(home);
      }
      let files = 0;
      let bytes = 0;
      visitFiles(folder, (_, size) => {
        files++;
        bytes += size;
      });
      if (bytes < bytesWanted)
        throw new NotMeasured(`the data directory has only ${Math.round(bytes / 1e6)} MB`);
      return { files, bytes };
    },
  };
}
