import { holdNewIndex } from '../engine/immutability/hold.ts';
import { executeIndexRepair, type IndexRepairReport } from '../engine/repair/execute-index.ts';
import { type IndexRepairPlan, prepareIndexRepair, type ReadReason } from '../engine/repair/plan-index.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { plural } from './format.ts';
import { showCounter } from './progress.ts';
import type { Output } from './terminal.ts';

type Context = Pick<CommandContext, 'output' | 'env'>;

export interface IndexRepairRun {
  readonly readAllPacks: boolean;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

const readReasons: Readonly<Record<ReadReason, string | null>> = {
  'not-indexed': 'is in no index file',
  'wrong-size': 'has another size than the index says',
  'described-differently': 'is described differently by several index files',
  asked: null,
};

/** Repairs the index and tells about it; for `repair index` and `repair orphans`. */
export async function repairIndex(
  context: Context,
  repository: Repository,
  { readAllPacks, dryRun, signal }: IndexRepairRun,
): Promise<void> {
  const { output, env } = context;
  output.info('load indexes and list packs');
  const prepared = await prepareIndexRepair(repository, readAllPacks);
  const { plan } = prepared;
  printPlan(output, plan);
  if (plan.obsoleteFiles.length === 0 && plan.packsToRead.length === 0) {
    if (output.json) output.jsonLine({ message_type: 'summary', changed: false, dry_run: dryRun });
    output.info('the index is complete; nothing was changed');
    return;
  }
  if (dryRun) {
    if (output.json) output.jsonLine({ message_type: 'plan', ...planMessage(plan) });
    output.info(
      `would read ${plural(plan.packsToRead.length, 'pack')} and replace ${plural(plan.obsoleteFiles.length, 'index file')}`,
    );
    return;
  }
  const counter = showCounter(output, env, 'packs', plan.packsToRead.length);
  const report = await executeIndexRepair(repository, prepared, {
    signal,
    onPackRead: () => counter.add(1),
  }).finally(counter.stop);
  await holdNewIndex(repository, signal);
  printReport(output, plan, report);
}

function printPlan(output: Output, plan: IndexRepairPlan): void {
  if (output.json) return;
  for (const { id, message } of plan.damagedFiles)
    output.warn(`the index file ${id} is damaged and will be replaced: ${message}`);
  for (const id of plan.missingPacks) output.warn(`pack ${id} does not exist; it is taken out of the index`);
  for (const { id, reason } of plan.packsToRead) {
    const why = readReasons[reason];
    if (why) output.info(`pack ${id} ${why}; it is indexed anew`);
  }
}

function planMessage(plan: IndexRepairPlan): Record<string, unknown> {
  return {
    damaged_index_files: plan.damagedFiles.map(({ id }) => id),
    missing_packs: plan.missingPacks,
    packs_to_read: plan.packsToRead.map(({ id, reason }) => ({ id, reason })),
    obsolete_index_files: plan.obsoleteFiles,
  };
}

function printReport(output: Output, plan: IndexRepairPlan, report: IndexRepairReport): void {
  const { damagedPacks, packsRead, filesWritten, filesRemoved } = report;
  if (output.json) {
    output.jsonLine({
      message_type: 'summary',
      changed: true,
      ...planMessage(plan),
      packs_read: packsRead,
      damaged_packs: damagedPacks.map(({ id }) => id),
      index_files_written: filesWritten,
      index_files_removed: filesRemoved,
    });
    return;
  }
  for (const { id, message, indexed } of damagedPacks) {
    output.warn(`pack ${id} cannot be indexed from its header: ${message}`);
    output.warn(
      indexed
        ? '  it stays as the index described it; `lifeboat repair packs` with its ID saves what is intact'
        : '  no index file describes it, so nothing in it can be found; `lifeboat prune` removes it',
    );
  }
  output.info(
    `read ${plural(packsRead, 'pack')}, wrote ${plural(filesWritten.length, 'index file')}, removed ${plural(filesRemoved.length, 'old one')}`,
  );
}
