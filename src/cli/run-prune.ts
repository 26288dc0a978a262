import { LifeboatError, messageOf } from '../core/errors.ts';
import { pricesOf } from '../engine/cold/prices.ts';
import { executePrune, type PruneEvents, type PruneReport, type PruneStep } from '../engine/prune/execute.ts';
import type { PruneOptions } from '../engine/prune/options.ts';
import { summedUpLocks } from '../engine/prune/pack-locks.ts';
import type { PrunePlan } from '../engine/prune/plan.ts';
import { preparePrune } from '../engine/prune/prune.ts';
import type { PruneStats } from '../engine/prune/stats.ts';
import { type Id, shortId } from '../model/id.ts';
import type { BlobIndex } from '../repository/index/blob-index.ts';
import type { Repository } from '../repository/repository.ts';
import { packBytesDefault } from '../repository/workers/pool.ts';
import type { Compression } from '../repository/workers/protocol.ts';
import type { CommandContext } from './command.ts';
import { formatBytes, formatPercent, plural } from './format.ts';
import { type Counter, showCounter } from './progress.ts';
import { runJournalExpiry } from './run-journal-expiry.ts';
import type { Output } from './terminal.ts';
import { formatDollars } from './tier-printer.ts';
import { runVaultUpkeep, tellLocked } from './vault-upkeep.ts';

type Context = Pick<CommandContext, 'output' | 'env' | 'global'>;

export interface PruneRun {
  readonly options: PruneOptions;
  readonly dryRun: boolean;
  /** Snapshots that count as forgotten. */
  readonly ignore?: ReadonlySet<Id>;
  readonly signal: AbortSignal;
}

/** Prunes and tells about it as restic does; for `prune` and `forget --prune`. */
export async function runPrune(context: Context, repository: Repository, run: PruneRun): Promise<void> {
  const { output, env, global } = context;
  const { options, dryRun, ignore, signal } = run;
  if (options.repackUncompressed && repository.config.version < 2)
    throw new LifeboatError('usage', 'compression requires at least repository format version 2');
  if (options.smallPackBytes > (global.packBytes ?? packBytesDefault))
    throw new LifeboatError('usage', '--repack-smaller-than is larger than the target size of packs');

  output.info('loading all snapshots...');
  let trees: Counter | undefined;
  const { index, plan, locks, earlyDeletion } = await preparePrune(
    repository,
    options,
    ignore,
    {
      onSnapshots(total) {
        output.info(`finding data that is still in use for ${total} snapshots`);
        trees = showCounter(output, env, 'trees');
      },
      onTrees: (number) => trees?.add(number),
    },
    signal,
  ).finally(() => trees?.stop());

  if (dryRun) output.info('\nWould have made the following changes:');
  if (output.json) output.jsonLine(plan.stats);
  else printStats(output, plan.stats);
  if (earlyDeletion.packs > 0) {
    output.info(
      `${plural(earlyDeletion.packs, 'pack')} to delete, younger than the least time of their storage class: that costs ${formatDollars(earlyDeletion.cost)} or more (${pricesOf})\n`,
    );
  }
  if (dryRun) {
    printPlan(output, plan, index);
    tellLocked(output, summedUpLocks(plan.locked, locks));
    await runJournalExpiry(context, repository, run);
    return;
  }
  const progress = pruneProgress(output, env);
  let report: PruneReport;
  try {
    report = await executePrune(repository, index, plan, {
      signal,
      locks,
      events: progress.events,
      compression: global.compression as Compression,
      ...(global.packBytes === undefined ? {} : { packBytes: global.packBytes }),
    });
  } finally {
    progress.stop();
  }
  await runJournalExpiry(context, repository, run);
  await runVaultUpkeep(context, repository, signal);
  tellLocked(output, report.locked);
  output.info('done');
}

const steps: Readonly<Record<PruneStep, readonly [heading: string, noun: string]>> = {
  unreferenced: ['deleting unreferenced packs', 'files deleted'],
  repack: ['repacking packs', 'packs repacked'],
  index: ['rebuilding index', 'indexes processed'],
  remove: ['removing old packs', 'files deleted'],
};

function pruneProgress(output: Output, env: Context['env']): { events: PruneEvents; stop(): void } {
  let counter: Counter | undefined;
  return {
    events: {
      onStep(step, total) {
        counter?.stop();
        const [heading, noun] = steps[step];
        output.info(step === 'remove' ? `removing ${total} old packs` : heading);
        counter = showCounter(output, env, noun, total);
      },
      onDone: (_, number) => counter?.add(number),
      onLeftOver: (pack, error) => output.warn(`unable to remove pack ${pack}: ${messageOf(error)}`),
    },
    stop: () => counter?.stop(),
  };
}

const column = (number: number): string => String(number).padStart(10);

function printStats(output: Output, { blobs, bytes, packfiles }: PruneStats): void {
  const row = (label: string, number: number, size: number): string =>
    `${label.padEnd(13)} ${column(number)} blobs / ${formatBytes(size)}`;
  output.verbose(`\n${row('used:', blobs.used, bytes.used)}`);
  if (blobs.duplicate > 0) output.verbose(row('duplicates:', blobs.duplicate, bytes.duplicate));
  output.verbose(row('unused:', blobs.unused, bytes.unused));
  if (bytes.unreferenced > 0)
    output.verbose(`unreferenced:                    ${formatBytes(bytes.unreferenced)}`);
  output.verbose(row('total:', blobs.total, bytes.total));
  output.verbose(`unused size: ${formatPercent(bytes.duplicate + bytes.unused, bytes.total)} of total size`);

  output.info(`\n${row('to repack:', blobs.repack, bytes.repack)}`);
  output.info(row('this removes:', blobs.repack_remove, bytes.repack_remove));
  output.info(row('to delete:', blobs.remove, bytes.remove + bytes.unreferenced));
  output.info(row('total prune:', blobs.remove_total, bytes.remove_total));
  if (bytes.uncompressed > 0)
    output.info(`not yet compressed:              ${formatBytes(bytes.uncompressed)}`);
  output.info(row('remaining:', blobs.remaining, bytes.remaining));
  const share = formatPercent(bytes.remaining_unused, bytes.remaining);
  output.info(`unused size after prune: ${formatBytes(bytes.remaining_unused)} (${share} of remaining size)`);
  output.info();

  output.verbose(`totally used packs: ${column(packfiles.used)}`);
  output.verbose(`partly used packs:  ${column(packfiles.partly_used)}`);
  output.verbose(`unused packs:       ${column(packfiles.unused)}\n`);
  output.verbose(`to keep:      ${column(packfiles.keep)} packs`);
  output.verbose(`to repack:    ${column(packfiles.repack)} packs`);
  output.verbose(`to delete:    ${column(packfiles.remove)} packs`);
  if (packfiles.unreferenced > 0)
    output.verbose(`to delete:    ${column(packfiles.unreferenced)} unreferenced packs\n`);
}

/** What a dry run adds with --verbose: the packs by name. */
function printPlan(output: Output, plan: PrunePlan, index: BlobIndex): void {
  const list = (packs: readonly Id[]): string => `{${packs.map(shortId).toSorted().join(' ')}}\n`;
  output.verbose(
    'Repeated prune dry-runs can report slightly different amounts of data to keep or repack. This is expected behavior.\n',
  );
  if (plan.unreferenced.length > 0)
    output.verbose(`Would have removed the following unreferenced packs:\n${list(plan.unreferenced)}`);
  output.verbose(
    `Would have repacked and removed the following packs:\n${list(plan.repack.map(index.packId))}`,
  );
  output.verbose(
    `Would have removed the following no longer used packs:\n${list(plan.remove.map(index.packId))}`,
  );
}
