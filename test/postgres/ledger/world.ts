import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { historyName, type Lsn, parseHistory, parseLsn } from '../../../src/model/wal.ts';
import { type Cluster, createCluster, runAsServer } from '../cluster.ts';
import { schemaSql } from './entry.ts';
import { type LogPart, recordStarts, transactionEnds } from './history.ts';
import type { Path, TransactionEnd } from './oracle.ts';

/**
 * The servers of the ledger: a primary with a standby, which takes over when the primary dies. Each keeps all of
 * its log, so that the oracle can read it, whatever was shipped elsewhere.
 */

export interface World {
  primary(): Cluster;
  /** Crashes the primary and starts it again. */
  crash(): Promise<void>;
  /** Cuts the standby off, so that what the primary commits from now on is lost with it. */
  cutStandbyOff(): Promise<void>;
  /** The primary dies, its standby becomes the primary of a new timeline. */
  failOver(): Promise<void>;
  /** Gives the primary a standby, which there is none of after a failover. */
  addStandby(): Promise<void>;
  /** Timeline of the primary, with its ancestors. */
  path(): Path;
  /** All ends of transactions, those on abandoned ends of timelines included. */
  ends(): Promise<TransactionEnd[]>;
  /** Where the first record at `lsn` or later starts on the path of the primary; for when all is written. */
  recordFrom(lsn: Lsn): Promise<Lsn | null>;
  destroy(): Promise<void>;
}

const settings = {
  track_commit_timestamp: 'on',
  wal_keep_size: '8GB',
  max_wal_size: '64MB',
  checkpoint_timeout: '30s',
  wal_log_hints: 'on',
};

export async function createWorld(segmentMegabytes: number): Promise<World> {
  const clusters: Cluster[] = [];
  const parts: LogPart[] = [];
  let standby: Cluster | null = null;
  let path: Path = { timeline: 1, ancestors: [] };
  let starts: Lsn[] | null = null;

  let primary = await createCluster({
    initdb: ['--data-checksums', `--wal-segsize=${segmentMegabytes}`],
    settings,
  });
  clusters.push(primary);
  const walOf = (cluster: Cluster): string => join(cluster.data, 'pg_wal');

  async function addStandby(): Promise<void> {
    const data = join(primary.folder, `standby-${clusters.length}`);
    await primary.run('pg_basebackup', ['-D', data, '-R', '-c', 'fast', '-X', 'stream']);
    standby = await createCluster({ data, settings });
    clusters.push(standby);
    await standby.start();
  }

  try {
    await primary.start();
    await primary.sql(schemaSql);
    const start = parseLsn(await primary.sql('select pg_current_wal_insert_lsn()'))!;
    parts.push({ folder: walOf(primary), timeline: 1, start });
    await addStandby();
  } catch (error) {
    for (const cluster of clusters) await cluster.destroy();
    throw error;
  }

  return {
    primary: () => primary,
    async crash() {
      await primary.stop('immediate');
      await primary.start();
    },
    async cutStandbyOff() {
      assert.ok(standby);
      await standby.sql("alter system set primary_conninfo = ''");
      await standby.sql('select pg_reload_conf()');
      while ((await standby.sql('select count(*) from pg_stat_wal_receiver')) !== '0') await sleep(20);
    },
    async failOver() {
      assert.ok(standby);
      await primary.stop('immediate');
      await runAsServer(join(standby.bin, 'pg_ctl'), ['-D', standby.data, '-w', 'promote']);
      primary = standby;
      standby = null;
      const name = (await primary.sql('select pg_walfile_name(pg_current_wal_lsn())')).slice(0, 8);
      const timeline = Number.parseInt(name, 16);
      const ancestors = parseHistory(readFileSync(join(walOf(primary), historyName(timeline)), 'utf8'));
      assert.ok(ancestors);
      path = { timeline, ancestors };
      parts.push({ folder: walOf(primary), timeline, start: ancestors.at(-1)!.end });
    },
    addStandby,
    path: () => path,
    async ends() {
      const all = await Promise.all(parts.map((part) => transactionEnds(primary.bin, part)));
      return all.flat();
    },
    async recordFrom(lsn) {
      starts ??= await startsOnPath(primary.bin, parts, path);
      return starts.find((start) => start >= lsn) ?? null;
    },
    async destroy() {
      for (const cluster of clusters.toReversed()) await cluster.destroy();
    },
  };
}

async function startsOnPath(bin: string, parts: readonly LogPart[], path: Path): Promise<Lsn[]> {
  const starts: Lsn[] = [];
  for (const [at, part] of parts.entries()) {
    const end = path.ancestors[at]?.end ?? null;
    for (const start of await recordStarts(bin, part))
      if (start >= part.start && (end === null || start < end)) starts.push(start);
  }
  return starts;
}
