import { spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { visitFiles, warm } from '../measure/files.ts';
import {
  runAsServer,
  type Server,
  serverAccount,
  serverPrograms,
  startServer,
} from '../programs/postgres.ts';
import { NotMeasured, needSpace, removeFolder, type Settings } from '../settings.ts';
import { type DataSet, dataSet, type Recipe } from './data-set.ts';

/** Settings that are the same for all programs and keep the server itself out of the measurement. */
const settings = `
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 30min
wal_level = replica
max_wal_senders = 10
max_replication_slots = 10
autovacuum = off
`;

/** Rows stay on their page when they change: a changed page is one page, and no index with it. */
const fillFactor = '90';

/**
 * A cluster with page checksums, filled by pgbench and stopped cleanly. 75 has more than 1 GB. It is never
 * started itself: groups start copies.
 */
function clusterRecipe(scale: number): Recipe {
  return {
    name: `cluster-${scale}`,
    title: `PostgreSQL cluster, pgbench scale ${scale}`,
    version: 2,
    spaceBytes: 5 * scale * 17e6,
    make(folder) {
      const owner = serverAccount();
      if (owner) chownSync(folder, owner.uid, owner.gid);
      const data = join(folder, 'data');
      const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
      runAsServer(join(serverPrograms(), 'initdb'), [...initdb, '--data-checksums', '--no-sync']);
      appendFileSync(join(data, 'postgresql.conf'), settings);
      // Little log stays behind: it is no data, and would be copied with it.
      const server = startServer(data, { fsync: 'off', max_wal_size: '64MB', min_wal_size: '64MB' });
      try {
        server.pgbench('-i', '-q', '-F', fillFactor, '-s', String(scale));
        server.pgbench('-n', '-c', '2', '-t', String(40 * scale));
      } finally {
        server.stop();
      }
      removeFolder(server.socket);
      removeFolder(`${data}.log`);
      let files = 0;
      let bytes = 0;
      visitFiles(data, (_, size) => {
        files++;
        bytes += size;
      });
      return { files, bytes };
    },
  };
}

export const clusterScale = (quick: boolean): number => (quick ? 4 : 75);

/** The cluster that all copies are made of. @throws NotMeasured. */
export function cluster(settings: Settings, scale = clusterScale(settings.quick)): Promise<DataSet> {
  return dataSet(settings, clusterRecipe(scale));
}

/** Copies a stopped data directory with its owners and times; `to` is replaced. */
export function copyFolder(from: string, to: string): void {
  removeFolder(to);
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new NotMeasured(`a folder cannot be copied: ${stderr.trim()}`);
}

/** A copy of the cluster at `data`, in the page cache. @throws NotMeasured. */
export async function copyCluster(settings: Settings, data: string, scale?: number): Promise<DataSet> {
  const set = await cluster(settings, scale);
  needSpace(settings, 4 * set.bytes);
  copyFolder(join(set.folder, 'data'), data);
  warm(data);
  return set;
}

/**
 * Changes 1% of the pages of the largest table: one row on each of that many pages, evenly drawn and the same in
 * every run. Rounds from 1 change other rows.
 */
export function changePages(server: Server, round: number): void {
  server.sql(`
    select setseed(${(round % 100) / 100});
    update pgbench_accounts set abalance = abalance + 1 where ctid = any (array(
      select distinct format('(%s,%s)', floor(random() * pages), ${round})::tid
      from (select pg_relation_size('pgbench_accounts') / 8192 as pages) as size, generate_series(1, pages / 100)
    ));
    checkpoint;`);
}

/** Proves a data directory that was restored: its server starts and finds every account. @throws NotMeasured. */
export function proveCluster(data: string, scale: number): void {
  if (!existsSync(join(data, 'PG_VERSION'))) throw new NotMeasured('what was restored is no cluster');
  const server = startServer(data, { archive_mode: 'off' });
  try {
    const rows = server.sql('select count(*) from pgbench_accounts');
    if (rows !== String(scale * 100_000)) throw new NotMeasured(`what was restored has ${rows} accounts`);
  } finally {
    server.stop();
  }
}
