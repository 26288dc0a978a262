import { chownSync, cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { visitFiles } from '../measure/files.ts';
import { runAsServer, serverAccount, serverPrograms } from '../programs/postgres.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import type { Recipe } from './data-set.ts';

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
      const owner = serverAccount();
      const run = (name: string, ...args: string[]): string => runAsServer(join(programs, name), args);
      const home = mkdtempSync(join(tmpdir(), 'lifeboat-bench-postgres-'));
      const data = join(home, 'data');
      if (owner) chownSync(home, owner.uid, owner.gid);
      try {
        run('initdb', '-D', data, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync');
        const options = `-k ${home} -c listen_addresses='' -c fsync=off -c max_wal_size=256MB`;
        run('pg_ctl', '-D', data, '-w', '-l', join(home, 'log'), '-o', options, 'start');
        try {
          const pgbench = (...args: string[]): string => run('pgbench', '-h', home, ...args, 'postgres');
          pgbench('-i', '-q', '-s', String(scale));
          pgbench('-n', '-c', '2', '-t', quick ? '200' : '5000');
        } finally {
          run('pg_ctl', '-D', data, '-w', '-m', 'fast', 'stop');
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
