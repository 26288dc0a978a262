import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RecoveryPlace } from '../../src/engine/recover/cluster-log.ts';
import {
  executeRecovery,
  type RecoveryExecution,
  type RecoveryReport,
} from '../../src/engine/recover/execute.ts';
import type { RecoveryOptions } from '../../src/engine/recover/prepare.ts';
import { lastCommitOf, type PreparedRecovery, prepareRecovery } from '../../src/engine/recover/prepare.ts';
import type { TimelineChoice } from '../../src/engine/recover/target.ts';
import { parseTarget } from '../../src/engine/recover/target.ts';
import { saveHistory } from '../../src/journal/history.ts';
import { savePiece } from '../../src/journal/save.ts';
import type { PhysicalManifest } from '../../src/model/postgres-manifest.ts';
import { parseHistoryName, parseSegmentName, segmentStart } from '../../src/model/wal.ts';
import { journalEnvelope } from '../../src/repository/envelope.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import { createPhysicalSource } from '../../src/sources/postgres/physical/source.ts';
import { createWalScanner } from '../../src/sources/postgres/wal/scanner.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { type Cluster, type ClusterOptions, createCluster, serverFolder } from './cluster.ts';

/** A cluster that archives, and a repository that its backups and its log go to. */

export const siteSource = 'app-db';
/** Small segments, so that a test has several. */
export const segmentBytes = 1024 * 1024;

export interface RecoverySite {
  readonly cluster: Cluster;
  readonly repository: Repository;
  readonly places: readonly RecoveryPlace[];
  /** Holds what is restored; owned by the servers' account. */
  readonly folder: string;
  /** Takes a physical backup, and leaves the log to others. */
  copy(): Promise<PhysicalManifest>;
  /** Takes a physical backup; afterwards the log is shipped up to its end. */
  backup(): Promise<PhysicalManifest>;
  /** Ends the segment that is being written and stores all that was archived. */
  ship(): Promise<void>;
  /** Stores what is in the archive without ending the segment. */
  store(sentMs: number | null, except?: (name: string) => boolean): Promise<void>;
  prepare(
    to: string,
    more?: Partial<RecoveryOptions> & { timeline?: TimelineChoice; inclusive?: boolean },
  ): Promise<PreparedRecovery>;
  recover(to: string, more?: SiteOptions): Promise<RecoveryReport>;
  execute(prepared: PreparedRecovery, more?: SiteOptions): Promise<RecoveryReport>;
  destroy(): Promise<void>;
}

type SiteOptions = Partial<RecoveryOptions> & {
  timeline?: TimelineChoice;
  inclusive?: boolean;
  execution?: Partial<RecoveryExecution>;
};

export async function createRecoverySite(options: ClusterOptions = {}): Promise<RecoverySite> {
  const folder = serverFolder();
  const archive = join(folder, 'archive');
  mkdirSync(archive, { mode: 0o777 });
  chmodSync(archive, 0o777);
  const cluster = await createCluster({
    ...options,
    initdb: ['--wal-segsize=1', '--data-checksums', ...(options.initdb ?? [])],
    settings: {
      archive_mode: 'on',
      archive_command: `'cp %p ${archive}/%f.part && mv ${archive}/%f.part ${archive}/%f'`,
      ...options.settings,
    },
  });
  await cluster.start();
  const repository = await createCheapRepository(localStorage(join(folder, 'repository')));
  const journal = {
    name: 'local',
    storage: repository.storage,
    envelope: journalEnvelope(repository, { threads: 1 }),
  };
  const places: RecoveryPlace[] = [{ name: 'local', repository, journal }];
  const system = (await cluster.sql('select system_identifier from pg_control_system()')).trim();
  const stream = { source: siteSource, stream: system };
  const stored = new Set<string>();

  const store: RecoverySite['store'] = async (sentMs, except = () => false) => {
    const names = readdirSync(archive)
      .filter((name) => !stored.has(name) && !except(name))
      .sort();
    for (const [at, name] of names.entries()) {
      const bytes = readFileSync(join(archive, name));
      const timeline = parseHistoryName(name);
      const segment = parseSegmentName(name, segmentBytes);
      if (timeline !== null) await saveHistory(journal, stream, timeline, bytes);
      else if (segment) {
        const marks = createWalScanner({ segmentBytes })
          .feed(segmentStart(segment, segmentBytes), bytes)
          .filter(({ kind }) => kind !== 'restore-point');
        const given = {
          unit: name,
          from: 0,
          unitBytes: segmentBytes,
          firstCommitMs: marks[0]?.timeMs ?? null,
          lastCommitMs: marks.at(-1)?.timeMs ?? null,
          sentMs: at === names.length - 1 ? sentMs : null,
        };
        await savePiece(journal, stream, given, bytes);
      } else continue;
      stored.add(name);
    }
  };

  const ship = async (): Promise<void> => {
    const [name, clock] = (
      await cluster.sql(
        `select pg_walfile_name(pg_current_wal_insert_lsn() - 0) || ' ' || extract(epoch from clock_timestamp()) * 1000 from (select pg_logical_emit_message(false, 'lifeboat', 'x')) as s`,
      )
    ).split(' ');
    await cluster.sql('select pg_switch_wal()');
    while (!existsSync(join(archive, name!))) await new Promise((resolve) => setTimeout(resolve, 20));
    await store(Number(clock));
  };

  const copy = async (): Promise<PhysicalManifest> => {
    const source = createPhysicalSource({
      source: siteSource,
      settings: await connectionSettings(cluster.url, { password: null, env: {} }),
      way: 'local',
      dataDirectory: null,
      type: 'full',
      comparedWith: null,
      previous: null,
      archiving: null,
      signal: new AbortController().signal,
    });
    await backUp(repository, '', { source: { entries: source }, parent: null, packBytes: undefined });
    return source.manifest()!;
  };

  const prepare: RecoverySite['prepare'] = (to, more = {}) => {
    const { timeline, inclusive, ...options } = more;
    return prepareRecovery(places, {
      source: siteSource,
      request: { target: parseTarget(to), inclusive: inclusive ?? true, timeline: timeline ?? 'latest' },
      dataDirectory: join(folder, 'restored'),
      tablespaces: new Map(),
      start: true,
      standby: false,
      amcheck: false,
      stopServer: false,
      workers: 1,
      signal: new AbortController().signal,
      ...options,
    });
  };

  const execute: RecoverySite['execute'] = (prepared, { execution = {}, signal } = {}) =>
    executeRecovery({
      ...prepared,
      binDirectory: cluster.bin,
      signal: signal ?? new AbortController().signal,
      workers: 1,
      silenceMs: 3000,
      lastCommitMs: () => lastCommitOf(prepared),
      events: { phase() {}, files() {}, replay() {}, warning() {} },
      ...execution,
    });

  return {
    cluster,
    repository,
    places,
    folder,
    store,
    ship,
    copy,
    async backup() {
      const manifest = await copy();
      await ship();
      return manifest;
    },
    prepare,
    execute,
    recover: async (to, { execution = {}, ...more } = {}) =>
      execute(await prepare(to, more), { ...more, execution }),
    async destroy() {
      await cluster.destroy();
      await journal.envelope.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
