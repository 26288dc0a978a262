/**
 * The bench: `npm run bench -- [GROUP…] [--runs N] [--quick]`. Measures Lifeboat and its peers at the same
 * work in turns, prints what is asked of it and whether it holds, and keeps the results. See README.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { changed } from './groups/changed.ts';
import { check } from './groups/check.ts';
import { first } from './groups/first.ts';
import { journalLag } from './groups/journal-lag.ts';
import { journalPush } from './groups/journal-push.ts';
import { journalReplay } from './groups/journal-replay.ts';
import { kernels } from './groups/kernels.ts';
import { memory } from './groups/memory.ts';
import { postgresFull, postgresIncremental } from './groups/postgres-backup.ts';
import { postgresLogical } from './groups/postgres-logical.ts';
import { postgresRemote } from './groups/postgres-remote.ts';
import { postgresDelta, postgresRestore } from './groups/postgres-restore.ts';
import { prune } from './groups/prune.ts';
import { restore } from './groups/restore.ts';
import { s3Copy, s3Delayed, s3First, s3Restore, s3Unchanged } from './groups/s3.ts';
import { scale } from './groups/scale.ts';
import { sftp, sftpDelayed } from './groups/sftp.ts';
import { startup } from './groups/startup.ts';
import { unchanged } from './groups/unchanged.ts';
import { stopAll } from './measure/process.ts';
import { build, commit, lifeboat } from './programs/lifeboat.ts';
import { restic } from './programs/restic.ts';
import type { Comparison } from './report/comparison.ts';
import { readKept } from './report/kept.ts';
import { circumstances } from './report/machine.ts';
import { resultsMarkdown } from './report/markdown.ts';
import { type GroupResult, mergeResults, readResults, replaceFile } from './report/results.ts';
import { comparisonText, summaryText } from './report/terminal.ts';
import {
  checkout,
  NotMeasured,
  removeData,
  removeFolder,
  runsDefault,
  runsMax,
  type Settings,
  settingsOf,
} from './settings.ts';
import { type Bench, orReason } from './work.ts';

const groups: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  first,
  unchanged,
  changed,
  restore,
  check,
  prune,
  memory,
  startup,
  scale,
  'postgres-full': postgresFull,
  'postgres-incremental': postgresIncremental,
  'postgres-restore': postgresRestore,
  'postgres-delta': postgresDelta,
  'postgres-remote': postgresRemote,
  'postgres-logical': postgresLogical,
  'journal-lag': journalLag,
  'journal-push': journalPush,
  'journal-replay': journalReplay,
  's3-first': s3First,
  's3-unchanged': s3Unchanged,
  's3-restore': s3Restore,
  's3-copy': s3Copy,
  's3-delayed': s3Delayed,
  sftp,
  'sftp-delayed': sftpDelayed,
};
const order = ['kernels', ...Object.keys(groups)];
const loadMax = 0.5;

const usage = `usage: npm run bench -- [GROUP…] [--runs N] [--quick]
       npm run bench -- clean

groups: ${order.join(' ')} all
--runs N  runs of each program at each work, up to ${runsMax}
--quick   small data and one run, to try the bench itself`;

class UsageError extends Error {}

function parse(argv: string[]): {
  wanted: string[];
  kernelNames: string[];
  runs: number | undefined;
  quick: boolean;
} {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { runs: { type: 'string' }, quick: { type: 'boolean', default: false } },
  });
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && !(Number.isInteger(runs) && runs >= 1 && runs <= runsMax))
    throw new UsageError(`--runs takes a number from 1 to ${runsMax}`);
  const [only, ...names] = positionals;
  if (only === 'kernels' && names.length > 0 && !names.some((name) => order.includes(name) || name === 'all'))
    return { wanted: ['kernels'], kernelNames: names, runs, quick: values.quick };
  const strange = positionals.find((name) => name !== 'all' && !order.includes(name));
  if (strange !== undefined) throw new UsageError(`there is no group ${strange}`);
  const all = positionals.length === 0 || positionals.includes('all');
  return {
    wanted: all ? order : order.filter((name) => positionals.includes(name)),
    kernelNames: [],
    runs,
    quick: values.quick,
  };
}

/** One line that is overwritten on a terminal; lines of a log elsewhere. */
function say(text: string): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  else process.stderr.write(`${text}\n`);
}

function print(text: string): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(text);
}

async function measureGroup(bench: Omit<Bench, 'emit'>, group: string, names: readonly string[]) {
  const comparisons: Comparison[] = [];
  let text: string | undefined;
  if (group === 'kernels') {
    text = await kernels(names).catch((error: unknown) => {
      if (error instanceof NotMeasured) return `not measured: ${error.message}`;
      throw error;
    });
    print(text);
  } else {
    const emit = (comparison: Comparison): void => {
      comparisons.push(comparison);
      print(comparisonText(comparison));
    };
    await groups[group]!({ ...bench, emit });
  }
  return { comparisons, text };
}

/** Keeps what was measured. Small data, too few runs or some kernels only are a trial, no results. */
function keep(settings: Settings, results: readonly GroupResult[], partial: boolean): void {
  const trial = partial || settings.quick || settings.runs < runsDefault;
  const path = join(settings.baseFolder, trial ? 'results-trial.json' : 'results.json');
  const merged = mergeResults(readResults(path), results, order);
  replaceFile(path, `${JSON.stringify(merged, null, 2)}\n`);
  if (trial) return;
  // Reasons may name places of this machine, which are nobody else's business.
  const report = join(checkout, 'bench', 'RESULTS.md');
  const before = existsSync(report) ? readFileSync(report, 'utf8') : '';
  const text = resultsMarkdown(merged, readKept(before), order)
    .replaceAll(settings.baseFolder, '$DATA')
    .replaceAll(checkout, '.');
  replaceFile(report, text);
}

async function main(argv: string[]): Promise<void> {
  if (argv.length === 1 && argv[0] === 'clean') return removeData(settingsOf(1, true, say));
  if (argv.includes('--help')) return console.log(usage);
  const { wanted, kernelNames, runs, quick } = parse(argv);
  const settings = settingsOf(runs, quick, say);
  const cleanUp = (): void => removeFolder(settings.scratchFolder);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      stopAll();
      cleanUp();
      process.exit(130);
    });
  try {
    build(say);
    const { loadBefore } = circumstances('', '');
    if (loadBefore > loadMax)
      print(`The machine is busy (load ${loadBefore.toFixed(2)}): the numbers will show it.\n`);
    const bench = { settings, lifeboat: lifeboat(settings.scratchFolder), restic: orReason(restic) };
    const command = ['npm run bench --', ...argv].join(' ');
    const results: GroupResult[] = [];
    for (const group of wanted) {
      const about = circumstances(command, commit());
      const { comparisons, text } = await measureGroup(bench, group, kernelNames);
      results.push({ group, circumstances: about, comparisons, ...(text === undefined ? {} : { text }) });
      keep(settings, results, kernelNames.length > 0);
      cleanUp();
    }
    print(summaryText(results.flatMap(({ comparisons }) => comparisons)));
  } finally {
    cleanUp();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof UsageError || error instanceof NotMeasured;
  const isArgument =
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  if (!expected && !isArgument) throw error;
  console.error(`bench: ${error.message}\n\n${usage}`);
  process.exitCode = 1;
}
