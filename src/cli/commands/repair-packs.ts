import { readFileSync, writeFileSync } from 'node:fs';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import {
  executePackRepair,
  type PackRepairPlan,
  type PackRepairReport,
  planPackRepair,
} from '../../engine/repair/repair-packs.ts';
import { type Id, isId } from '../../model/id.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { defineCommand } from '../command.ts';
import { formatBytes, plural } from '../format.ts';
import { flag } from '../options.ts';
import { showCounter } from '../progress.ts';
import { withRepository } from '../session.ts';
import { withoutCache } from '../storage-access.ts';
import type { Output } from '../terminal.ts';

export const command = defineCommand({
  name: 'packs',
  usage: 'packs [OPTION]... PACK...',
  description: `
    Saves every blob that is intact in the packs named, in new packs, and removes the damaged ones. Copies of
    these are kept in the current folder as pack-ID, in case something more can be done with them.

    What is lost is still named by snapshots; \`lifeboat repair snapshots\` takes it out of these, and a backup of
    the same files brings it back.`,
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    'dry-run': flag({ short: 'n', help: 'change nothing, only say what would be done' }),
  },
  examples: [
    {
      command: 'lifeboat repair packs 5f9c63d4…',
      explains: 'a pack that `lifeboat check --read-data` named, by its full ID',
    },
  ],
  run(context) {
    const { args, output, env, options } = context;
    const ids = args.map(packId);
    const mode = options.dryRun ? 'shared' : 'exclusive';
    return withRepository(withoutCache(context), mode, async (repository, signal) => {
      const index = await loadIndex(repository);
      const plan = await planPackRepair(repository, index, ids);
      if (options.dryRun) {
        printPlan(output, plan);
        return 0;
      }
      const counter = showCounter(output, env, 'packs', plan.packs.length);
      const report = await executePackRepair(repository, index, plan, {
        signal,
        keepCopy: keepCopyHere,
        onPackDone: () => counter.add(1),
      }).finally(counter.stop);
      printReport(output, plan, report);
      return 0;
    });
  },
});

function packId(text: string): Id {
  if (isId(text)) return text;
  throw new LifeboatError('usage', `${JSON.stringify(text)} is not the full ID of a pack: 64 hex digits`);
}

/** Keeps a pack in the current folder; an equal copy of an earlier attempt will do. */
function keepCopyHere(id: Id, bytes: Uint8Array): void {
  const path = `pack-${id}`;
  try {
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && readFileSync(path).equals(bytes)) return;
    throw new LifeboatError(
      'target-failed',
      `cannot keep a copy of pack ${id} in the current folder: ${messageOf(error)}`,
      { hint: 'run the command in a folder with enough space; nothing was changed', cause: error },
    );
  }
}

function printPlan(output: Output, { packs }: PackRepairPlan): void {
  if (output.json) {
    const message = packs.map(({ id, bytes, blobs }) => ({ id, bytes, blobs: blobs.length }));
    output.jsonLine({ message_type: 'plan', packs: message });
    return;
  }
  for (const { id, bytes, blobs } of packs) {
    if (bytes === null) output.line(`pack ${id} does not exist; it would be taken out of the index`);
    else
      output.line(
        `would save what is intact of ${plural(blobs.length, 'blob')} in pack ${id} (${formatBytes(bytes)})`,
      );
  }
}

function printReport(output: Output, plan: PackRepairPlan, report: PackRepairReport): void {
  const { salvagedBlobs, lost, leftOver } = report;
  if (output.json) {
    output.jsonLine({
      message_type: 'summary',
      packs: plan.packs.map(({ id }) => id),
      salvaged_blobs: salvagedBlobs,
      lost_blobs: lost.map(({ pack, blob }) => ({ type: blob.type, id: blob.id, pack })),
      packs_not_removed: leftOver.map(({ id }) => id),
    });
    return;
  }
  for (const { blob, message } of lost) output.warn(`lost: ${blob.type} blob ${blob.id}: ${message}`);
  for (const { id, message } of leftOver)
    output.warn(`pack ${id} could not be removed, the next prune does it: ${message}`);
  output.info(
    `saved ${plural(salvagedBlobs, 'blob')} of ${plural(plan.packs.length, 'pack')}, lost ${lost.length}`,
  );
  if (lost.length > 0)
    output.info(
      'next: back up the same files again, which brings back what they still hold; then `lifeboat repair snapshots --forget`',
    );
}
