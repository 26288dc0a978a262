import { LifeboatError } from '../../core/errors.ts';
import { checkFailure, checkRepository } from '../../engine/check/check.ts';
import type { CheckEvents, CheckNote, CheckReport, CheckStage } from '../../engine/check/report.ts';
import { type DataSubset, parseDataSubset } from '../../engine/check/subset.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import { isAnySnapshot, type SnapshotFilter, selectSnapshots } from '../../policy/snapshot-selection.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { checkUnderLock } from '../check-early.ts';
import { showCheckProgress } from '../check-progress.ts';
import { verdictLines } from '../check-verdict.ts';
import { defineCommand } from '../command.ts';
import { formatBytes, plural } from '../format.ts';
import { flag, value } from '../options.ts';
import type { Progress } from '../progress.ts';
import { rememberCheck } from '../remember-check.ts';
import { openSession } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import { withoutCache } from '../storage-access.ts';
import type { Output } from '../terminal.ts';

export const command = defineCommand({
  name: 'check',
  usage: 'check [OPTION]... [SNAPSHOT]...',
  description: `
    Tests the repository for errors: keys, index, packs against the index, every snapshot and every tree. With
    --read-data it also reads all that is stored and compares every byte with its hash; with
    --read-data-subset a part of that.

    Snapshots and filters limit the check to these snapshots and the data that they use.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    ...snapshotFilterOptions,
    'read-data': flag({ help: 'read and verify everything that is stored' }),
    'read-data-subset': value<DataSubset>({
      placeholder: 'SUBSET',
      help: 'read group n of t (`n/t`), or a part chosen at random (`2.5%`, `500M`)',
      parse: parseDataSubset,
    }),
    'with-cache': flag({
      help: 'trust what this machine keeps of a repository elsewhere, instead of reading it there',
    }),
    'check-unused': flag({ help: 'of older versions of restic; no effect', hidden: true }),
  },
  examples: [
    { command: 'lifeboat check', explains: 'structure: quick, every day' },
    {
      command: 'lifeboat check --read-data-subset 1/7',
      explains: 'a seventh of the data each day of the week',
    },
    { command: 'lifeboat check --read-data', explains: 'everything' },
  ],
  async run(context) {
    const { options, args, global, output } = context;
    if (options.readData && options.readDataSubset)
      throw new LifeboatError(
        'usage',
        '--read-data and --read-data-subset exclude each other; give only one',
      );
    const readData: DataSubset | null = options.readData ? { kind: 'all' } : (options.readDataSubset ?? null);
    const select = selectionOf(args, snapshotFilterOf(options), output);
    warmThreads();
    const repository = await openSession(options.withCache ? context : withoutCache(context));
    const printer = createPrinter(output, context.env);
    const check = (signal: AbortSignal, events: CheckEvents): Promise<CheckReport> =>
      checkRepository(
        repository,
        { readData, signal, unused: output.verbosity >= 2, ...(select ? { select } : {}) },
        events,
      );
    // restic locks a repository that it checks exclusively, unless told to lock nothing.
    const report = await (global.noLock
      ? check(context.signal, printer.events)
      : checkUnderLock(context, repository, printer.events, check)
    ).finally(printer.stop);
    const vault = report.errors > 0 ? await repository.storage.vault?.facts() : undefined;
    printer.finish(report, vault?.keepsVersions === true);
    await rememberCheck(context, repository, report, readData, select !== undefined);
    if (report.errors > 0) throw checkFailure(report);
    return 0;
  },
});

type Select = (snapshots: readonly StoredSnapshot[]) => readonly StoredSnapshot[];

function selectionOf(names: readonly string[], filter: SnapshotFilter, output: Output): Select | undefined {
  if (names.length === 0 && isAnySnapshot(filter)) return undefined;
  return (all) => {
    const { snapshots, problems } = selectSnapshots(all, names, filter);
    for (const problem of problems) {
      // A check that leaves out what it was asked to check must not look like success.
      if (problem.code === 'snapshot-missing') throw problem;
      output.warn(problem.message);
    }
    return snapshots;
  };
}

const stageTexts: Readonly<Record<CheckStage, string>> = {
  keys: 'check keys',
  snapshots: 'load snapshots',
  index: 'load indexes',
  packs: 'check all packs',
  trees: 'check snapshots, trees and blobs',
  data: 'read data',
};

const advice: Readonly<Record<CheckNote['kind'], string>> = {
  'duplicate-pack':
    'Packs that are in the index more than once do no harm; `lifeboat repair index` tidies them.',
  'mixed-pack': 'Packs with both trees and data do no harm; `lifeboat prune` separates them.',
  'orphaned-pack': '',
  'archived-pack':
    'Archived packs were not read; `lifeboat thaw SNAPSHOT` brings back those of a snapshot, then they are.',
};

interface CheckPrinter {
  readonly events: CheckEvents;
  stop(): void;
  finish(report: CheckReport, keepsVersions: boolean): void;
}

function createPrinter(output: Output, env: Readonly<Record<string, string | undefined>>): CheckPrinter {
  let progress: Progress | undefined;
  const adviceDue = new Set<string>();

  const stop = (): void => {
    progress?.stop();
    progress = undefined;
  };

  const events: CheckEvents = {
    stage(stage) {
      stop();
      output.info(stageTexts[stage]);
    },
    problem({ message }) {
      if (output.json) output.jsonError({ message_type: 'error', message });
      else output.warn(`${output.errorStyle('red', 'error:')} ${message}`);
    },
    note({ kind, message }) {
      if (kind === 'orphaned-pack' || kind === 'archived-pack') output.verbose(message);
      else output.info(message);
      if (advice[kind]) adviceDue.add(advice[kind]);
    },
    watch(sample) {
      stop();
      progress = showCheckProgress(output, env, sample);
    },
  };

  return {
    events,
    stop,
    finish(report, keepsVersions) {
      if (output.json) {
        output.jsonLine(summaryMessage(report));
        return;
      }
      for (const line of adviceDue) output.info(line);
      if (report.orphanedPacks > 0 && report.errors === 0) {
        const files = plural(report.orphanedPacks, 'pack');
        output.info(`${files} in the repository that no index file names; \`lifeboat prune\` removes them.`);
      }
      if (report.unused) {
        const { blobs, bytes } = report.unused;
        output.verbose(`${plural(blobs, 'blob')} (${formatBytes(bytes)}) in no snapshot`);
      }
      for (const line of verdictLines(report, keepsVersions)) {
        if (report.errors > 0) output.warn(line);
        else output.info(line);
      }
    },
  };
}

/** restic's summary (doc/075_scripting.rst, "check"). */
function summaryMessage(report: CheckReport): Record<string, unknown> {
  const { errors, damagedPacks, suggestRepairIndex, suggestPrune } = report;
  return {
    message_type: 'summary',
    num_errors: errors,
    broken_packs: damagedPacks.length > 0 ? damagedPacks : null,
    suggest_repair_index: suggestRepairIndex,
    suggest_prune: suggestPrune,
  };
}
