import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lsn, parseLsn } from '../../../src/model/wal.ts';
import type { Random } from '../../random.ts';
import type { Clients } from './clients.ts';
import { type Resident, type Site, sourceName } from './program.ts';
import type { World } from './world.ts';

/** What happens to the ledger while it is written, in an order that the seed decides. */

export const happenings = [
  'backup',
  'receiver killed',
  'server crashed',
  'failover',
  'lossy failover',
  'compaction',
  'forget and prune',
] as const;
export type Happening = (typeof happenings)[number];

/** Where the oldest base backup that is kept ended. */
export interface BackupEnd {
  readonly lsn: Lsn;
  /** The server's clock when its command had ended. */
  readonly us: bigint;
}

export interface Stage {
  readonly world: World;
  readonly site: Site;
  readonly clients: Clients;
  readonly random: Random;
  receiver: Resident;
  /** Oldest first. */
  backups: BackupEnd[];
  /** For a failing test: what was done. */
  readonly diary: string[];
}

/** A compaction must find slices of more than one segment, a lossy failover a lag that can be lost. */
const someTransactions = 40;

export function startReceiver(site: Site): Resident {
  return site.start('wal', 'receive', '--source', sourceName);
}

const actions: Readonly<Record<Happening, (stage: Stage) => Promise<void>>> = {
  async backup(stage) {
    const { site, world, random } = stage;
    const types = ['full', 'differential', 'incremental'] as const;
    const type = stage.backups.length === 0 ? 'full' : types[random.below(types.length)]!;
    await site.must('backup', '--source', sourceName, '--type', type);
    const primary = world.primary();
    const lsn = parseLsn(await primary.sql('select pg_current_wal_insert_lsn()'))!;
    const us = await primary.sql('select (extract(epoch from clock_timestamp()) * 1000000)::bigint');
    stage.backups.push({ lsn, us: BigInt(us) });
  },
  async 'receiver killed'(stage) {
    await stage.receiver.kill('SIGKILL');
    await stage.clients.progress(stage.random.below(someTransactions));
    stage.receiver = startReceiver(stage.site);
  },
  'server crashed': ({ world }) => world.crash(),
  failover: (stage) => failOver(stage),
  async 'lossy failover'(stage) {
    await stage.world.cutStandbyOff();
    await stage.clients.progress(someTransactions);
    await sleep(stage.random.below(2500)); // more or less of it is in the repository by then
    await failOver(stage);
  },
  async compaction({ site }) {
    await site.must('wal', 'compact', '--source', sourceName);
  },
  async 'forget and prune'(stage) {
    const keep = 1 + stage.random.below(2);
    await stage.site.must('forget', '-r', 'main', '--group-by', '', '--keep-last', String(keep), '--prune');
    stage.backups = stage.backups.slice(-keep);
  },
};

async function failOver(stage: Stage): Promise<void> {
  await stage.world.failOver();
  stage.site.point(stage.world.primary().url);
  // Whoever fails over tells the receiver where to go; a restart is the plainest way.
  await stage.receiver.kill(stage.random.below(2) === 0 ? 'SIGTERM' : 'SIGKILL');
  stage.receiver = startReceiver(stage.site);
  await stage.clients.progress(1);
  await stage.world.addStandby();
}

/** Lets a happening happen, between transactions. */
export async function happen(stage: Stage, what: Happening): Promise<void> {
  stage.diary.push(`${what} after ${stage.clients.acknowledgedCount()} transactions`);
  await actions[what](stage);
  await stage.clients.progress(1 + stage.random.below(someTransactions));
}

const durableWithinMs = 30_000;

/** Waits until the server was told that everything up to now is durable. */
export async function everythingShipped({ world, receiver }: Stage): Promise<void> {
  const primary = world.primary();
  // A commit behind all others: without one, a time after the last could not be reached.
  await primary.sql('select pg_current_xact_id()');
  const end = await primary.sql('select pg_current_wal_flush_lsn()');
  const giveUp = Date.now() + durableWithinMs;
  const shipped = `select count(*) from pg_stat_replication where application_name like '%lifeboat%' and flush_lsn >= '${end}'`;
  while ((await primary.sql(shipped)) === '0') {
    const seen = await primary.sql('select application_name, state, flush_lsn from pg_stat_replication');
    assert.ok(Date.now() < giveUp, `not durable up to ${end}\n${seen}\n${receiver.output()}`);
    assert.equal(receiver.process.exitCode, null, `the receiver has ended\n${receiver.output()}`);
    await sleep(100);
  }
}
