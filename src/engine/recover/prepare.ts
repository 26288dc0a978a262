import { resolve } from 'node:path';
import { hasCode, LifeboatError } from '../../core/errors.ts';
import type { PhysicalManifest } from '../../model/postgres-manifest.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { parseSnapshot } from '../../model/snapshot-codec.ts';
import { type BlobReader, openBlobReader } from '../../repository/blob-reader.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { isPortTaken } from '../../sources/postgres/recovery/beside-others.ts';
import { type Account, ownerFor, postgresAccount } from '../../sources/postgres/recovery/data-directory.ts';
import { demandReadable } from '../cold/demand-readable.ts';
import { treeOfSnapshot } from '../look/find-snapshot.ts';
import { chooseRecovery, type RecoveryChoice, type RecoveryRequest } from './choose.ts';
import { type ClusterLog, type RecoveryPlace, readHoldings } from './cluster-log.ts';
import { chooseConfiguration, readKeptFiles } from './configuration.ts';
import { portBeside } from './copy.ts';
import { createLogReader } from './log-reader.ts';
import { type PlanInput, planRecovery, type RecoveryPlan, type TablespacePlaces } from './plan.ts';
import {
  type ClusterTrees,
  findClusterTrees,
  measureReading,
  readPhysicalManifest,
} from './snapshot-contents.ts';
import type { LogReader } from './source-view.ts';

export interface RecoveryOptions {
  readonly source: string;
  readonly request: RecoveryRequest;
  /** null: where the original was. */
  readonly dataDirectory: string | null;
  readonly tablespaces: TablespacePlaces;
  readonly start: boolean;
  readonly standby: boolean;
  readonly amcheck: boolean;
  readonly stopServer: boolean;
  /** Of a copy elsewhere; null: the one in its settings. Left out where no server is started for others to reach. */
  readonly port?: number | null;
  /** Threads that will read. */
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** A recovery that is planned and can be executed. */
export interface PreparedRecovery {
  readonly plan: RecoveryPlan;
  readonly input: PlanInput;
  readonly manifest: PhysicalManifest;
  readonly repository: Repository;
  readonly index: BlobIndex;
  readonly reader: BlobReader;
  readonly trees: ClusterTrees;
  readonly account: Account | null;
  readonly port: number | null | undefined;
  readonly logReader: LogReader;
  /** Things that could not be read and were not needed. */
  readonly problems: readonly LifeboatError[];
}

interface Chosen {
  readonly log: ClusterLog;
  readonly reader: LogReader;
  readonly choice: RecoveryChoice;
}

/** The newest cluster that can be recovered there; a source may have been made anew under the same name. */
async function chooseCluster(clusters: readonly ClusterLog[], options: RecoveryOptions): Promise<Chosen> {
  let first: unknown = null;
  for (const log of clusters) {
    const reader = createLogReader(log);
    try {
      return { log, reader, choice: await chooseRecovery(log.view, options.request, reader) };
    } catch (error) {
      first ??= error;
      // Only what lies before the newest cluster's first backup can be an older one's.
      if (!hasCode(first, 'recovery-target-too-early')) throw first;
    }
  }
  throw (
    first ??
    new LifeboatError(
      'recovery-backup-missing',
      `there is no physical backup of ${options.source} in the repositories`,
      { hint: `take one with \`lifeboat backup --source ${options.source}\`` },
    )
  );
}

const readingShare = 0.7;

/** Whose the files are to be: of the folder, else of the account `postgres`, else as they were. */
function accountFor(dataDirectory: string, trees: ClusterTrees): Account | null {
  if (process.geteuid?.() !== 0) return null;
  return ownerFor(dataDirectory) ?? postgresAccount() ?? trees.owner;
}

/** Reads and plans; changes nothing. @throws LifeboatError `recovery-…`, `usage`, errors of the repositories. */
export async function prepareRecovery(
  places: readonly RecoveryPlace[],
  options: RecoveryOptions,
): Promise<PreparedRecovery> {
  const { clusters, problems } = await readHoldings(places, options.source);
  const { log, reader: logReader, choice } = await chooseCluster(clusters, options);
  const place = places.find(({ name }) => name === choice.backup.place)!;
  const { repository } = place;
  const id = choice.backup.snapshot;
  const snapshot: StoredSnapshot = { ...parseSnapshot(await repository.files.load('snapshots', id)), id };
  const index = await loadIndex(repository);
  await demandReadable(repository, index, {
    tree: async () => treeOfSnapshot(snapshot),
    signal: options.signal,
    commandToThaw: `lifeboat -r ${place.name} thaw ${id.slice(0, 8)}`,
  });
  const reader = openBlobReader(repository, index);
  const manifest = await readPhysicalManifest(reader, snapshot);
  checkManifest(manifest, choice, log);
  const trees = await findClusterTrees(reader, treeOfSnapshot(snapshot), manifest);
  const rate = await measureReading(reader, trees.data, options.signal);
  const dataDirectory = resolve(options.dataDirectory ?? originalOf(manifest));
  const account = accountFor(dataDirectory, trees);
  const kept = await readKeptFiles(reader, treeOfSnapshot(snapshot), manifest, trees, account);
  const input: PlanInput = {
    log: { ...log, view: { ...log.view, segmentBytes: manifest.segmentBytes } },
    request: options.request,
    choice,
    manifest,
    configuration: chooseConfiguration(dataDirectory, manifest.dataDirectory, kept, trees.hasConfiguration),
    dataDirectory,
    tablespaces: options.tablespaces,
    start: options.start,
    standby: options.standby,
    amcheck: options.amcheck,
    stopServer: options.stopServer,
    readingRate: rate === null ? null : rate * Math.max(1, options.workers * readingShare),
  };
  const plan = await withPort(planRecovery(input), options, manifest);
  return {
    plan,
    input,
    manifest,
    repository,
    index,
    reader,
    trees,
    account,
    port: options.port,
    logReader,
    problems,
  };
}

/** @throws LifeboatError `usage` where the backup was not allowed to ask for it. */
function originalOf({ source, dataDirectory }: PhysicalManifest): string {
  if (dataDirectory !== '') return dataDirectory;
  throw new LifeboatError('usage', `the backup of ${source} does not know where the original was`, {
    hint: 'name a folder with --target; backups by a role with pg_read_all_settings know it',
  });
}

/** @throws LifeboatError `usage` where a port is given to what is no copy, or is in use. */
async function withPort(
  plan: RecoveryPlan,
  { start, port }: RecoveryOptions,
  { dataDirectory: original }: PhysicalManifest,
): Promise<RecoveryPlan> {
  const withSetting = (value: number, notes: readonly string[] = []): RecoveryPlan => ({
    ...plan,
    settings: [...plan.settings, ['port', String(value)]],
    notes: [...plan.notes, ...notes],
  });
  if (typeof port !== 'number') {
    const beside = start && port === null ? await portBeside(plan.dataDirectory, original) : null;
    return beside === null ? plan : withSetting(beside.port, [beside.note]);
  }
  if (plan.dataDirectory === original)
    throw new LifeboatError('usage', 'the cluster keeps its own port where it was', {
      hint: 'leave --port out, or restore elsewhere with --target',
    });
  if (start && (await isPortTaken(port, [])))
    throw new LifeboatError('usage', `port ${port} is in use on this machine`, {
      hint: 'give another one, or none to have a free one chosen',
    });
  return withSetting(port);
}

/** Tags serve the listing; the manifest is what was backed up. */
function checkManifest(
  manifest: PhysicalManifest,
  { backup }: RecoveryChoice,
  { view, streams }: ClusterLog,
): void {
  const what = `the snapshot ${backup.snapshot.slice(0, 8)}`;
  if (manifest.systemIdentifier !== backup.system || manifest.timeline !== backup.timeline)
    throw new LifeboatError(
      'repository-damaged',
      `${what} holds another cluster or timeline than its tags say`,
    );
  const hasPieces = streams.some(({ pieces }) => pieces.length > 0);
  if (hasPieces && manifest.segmentBytes !== view.segmentBytes)
    throw new LifeboatError(
      'journal-conflict',
      `${what} has log segments of ${manifest.segmentBytes} bytes, the journal has ${view.segmentBytes}`,
    );
}

/** The time of the last transaction of the log that is replayed; null where there is none. */
export function lastCommitOf({ logReader, input }: PreparedRecovery): Promise<number | null> {
  const { choice } = input;
  if (choice.walEnd <= choice.backup.stop) return Promise.resolve(null);
  return logReader.lastCommitMs({ legs: choice.legs, start: choice.backup.stop, end: choice.walEnd });
}
