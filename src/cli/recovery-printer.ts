import type { RecoverEvents } from '../engine/recover/execute.ts';
import type { FeedProgress } from '../engine/recover/feed.ts';
import type { RecoveryPlan } from '../engine/recover/plan.ts';
import type { RecoveredCluster } from '../engine/recover/recover.ts';
import type { RestoreCounts } from '../engine/restore/request.ts';
import { formatBytes, formatDuration, formatZonedTime, plural } from './format.ts';
import { progressIntervalMs } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import { restoreMessage, restoreStatus } from './restore-printer.ts';
import type { Output } from './terminal.ts';

/** What a recovery of a database prints: its plan, how far it is, and what came of it. */

const roundBytes = (bytes: number): string => formatBytes(bytes).replace(/\.(\d)\d\d /, '.$1 ');

const modes: Readonly<Record<RecoveryPlan['mode'], string>> = {
  fresh: 'an empty folder; all is fetched',
  'in-place': 'in place; only what differs is fetched',
  resume: 'an interrupted restore, which is resumed',
};

const places: Readonly<Record<RecoveryPlan['configuration']['kind'], string>> = {
  inside: 'in the data directory, restored with it',
  there: 'as it is on this machine, outside of the data directory',
  'put-back': 'gone from where it was; put back from the backup',
  adapted: 'not on this machine; written into the data directory from the backup',
  minimal: 'neither in the backup nor on this machine; a minimal one',
};

function configurationText({ kind, files }: RecoveryPlan['configuration']): string {
  return [places[kind], ...files].join('\n');
}

/** Two columns: what, and how it will be. */
export function planRows(plan: RecoveryPlan): [string, string][] {
  const { backup, wal, estimate } = plan;
  const major = Math.floor(plan.serverVersion / 10_000);
  const timelines = plan.timelines
    .map(({ timeline, until }) => (until === null ? `${timeline}` : `${timeline} until ${until}`))
    .join(' → ');
  const log =
    wal.segments === 0
      ? 'none beyond the backup'
      : `${wal.from} to ${wal.to}: ${plural(wal.segments, 'segment')}, ${roundBytes(wal.storedBytes)} stored, complete, from ${wal.repositories.join(', ')}`;
  return [
    ['Restore', `${plan.source} (PostgreSQL ${major}, cluster ${plan.system})`],
    ['To', plan.target],
    [
      'Backup',
      `${backup.snapshot.slice(0, 8)} in ${backup.repository}, ${backup.type}, ended ${formatZonedTime(Date.parse(backup.stopTime))}`,
    ],
    ['', backup.why],
    ['Timeline', timelines],
    ['Log', log],
    ['Into', `${plan.dataDirectory}: ${modes[plan.mode]}`],
    ...plan.tablespaces.map(({ oid, original, location }): [string, string] => [
      'Tablespace',
      `${oid} into ${location}${location === original ? '' : ` (was ${original})`}`,
    ]),
    ['Size', `${plan.mode === 'fresh' ? '' : 'at most '}${roundBytes(plan.bytes)}`],
    ...plan.disks.map(({ path, neededBytes, freeBytes, enough }): [string, string] => [
      'Disk',
      `${roundBytes(neededBytes)} needed, ${roundBytes(freeBytes)} free at ${path}${enough ? '' : ': NOT ENOUGH'}`,
    ]),
    ['Config', configurationText(plan.configuration)],
    ['Settings', plan.settings.map(([name, value]) => `${name} = '${value}'`).join('\n')],
    ...(estimate === null
      ? []
      : [['Time', `about ${formatDuration(estimate.seconds * 1000)}\n${estimate.how}`] as [string, string]]),
    ['Steps', plan.steps.map((step, at) => `${at + 1}. ${step}`).join('\n')],
    ...plan.notes.map((note): [string, string] => ['Note', note]),
  ];
}

export function printRecoveryPlan(output: Output, plan: RecoveryPlan): void {
  if (output.json) {
    output.jsonLine({ message_type: 'plan', ...plan });
    return;
  }
  const rows = planRows(plan);
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) {
    for (const [at, line] of value.split('\n').entries()) {
      const heading = output.style('bold', (at === 0 ? name : '').padEnd(width));
      output.info(`${heading}  ${line}`);
    }
  }
}

export interface RecoveryPrinter {
  readonly events: RecoverEvents;
  stop(): void;
}

export function createRecoveryPrinter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): RecoveryPrinter {
  const intervalMs = progressIntervalMs(output, env);
  const startedMs = performance.now();
  const rate = createRateMeter();
  let show: (() => void) | null = null;
  const elapsed = (): number => performance.now() - startedMs;
  const timer = intervalMs === 0 ? null : setInterval(() => show?.(), intervalMs);
  timer?.unref();

  function files(_what: string, counts: () => Readonly<RestoreCounts>): void {
    show = () => {
      const now = counts();
      rate.observe(elapsed(), now.bytesRestored);
      if (output.json) output.jsonLine(restoreMessage('status', now, elapsed()));
      else output.status([restoreStatus(now, elapsed(), rate.bytesPerSecond())]);
    };
  }

  function replay({ units, published, taken, bytes }: FeedProgress, lsn: string | null): void {
    if (intervalMs === 0) return;
    if (output.json) {
      output.jsonLine({
        message_type: 'status',
        seconds_elapsed: Math.floor(elapsed() / 1000),
        log_segments: units,
        log_segments_fetched: published,
        log_segments_replayed: taken,
        lsn: lsn ?? undefined,
      });
      return;
    }
    const at = lsn === null ? '' : `, at ${lsn}`;
    output.status([
      `[${formatDuration(elapsed())}] log: ${published} of ${plural(units, 'segment')} fetched (${roundBytes(bytes)}), ${taken} taken${at}`,
    ]);
  }

  return {
    events: {
      phase(what) {
        show = null;
        output.status([]);
        output.info(what);
      },
      files,
      replay,
      warning: (message) => output.warn(`warning: ${message}`),
    },
    stop() {
      if (timer) clearInterval(timer);
      output.status([]);
    },
  };
}

/**
 * The end: what was recovered, to which point, how long it took, and what to do next.
 * @param isCopy it is not where the original was.
 */
export function printRecovered(output: Output, report: RecoveredCluster, isCopy: boolean): void {
  const { plan, files, reached, server, durationsMs, amcheck, notes } = report;
  if (output.json) {
    output.jsonLine({ message_type: 'summary', ...report });
    return;
  }
  const skipped = files.unchangedBytes > 0 ? `, ${roundBytes(files.unchangedBytes)} were right already` : '';
  output.info(
    `${roundBytes(files.bytes)} restored to ${plan.dataDirectory}${skipped} (${formatDuration(durationsMs.files)})`,
  );
  if (reached) {
    const last =
      reached.lastTransaction === null ? '' : `; the last transaction is of ${reached.lastTransaction}`;
    const why = reached.stopped === null ? 'the end of the log was reached' : reached.stopped;
    const timeline = reached.newTimeline === null ? '' : `, now on timeline ${reached.newTimeline}`;
    output.info(
      `recovered to ${plan.target}: ${why}${last}${timeline} (${formatDuration(durationsMs.replay)})`,
    );
  }
  if (amcheck) {
    const count = amcheck.databases.length - amcheck.unchecked.length;
    output.info(
      `pg_amcheck looked at ${plural(count, 'database')}: ${amcheck.findings.length === 0 ? 'all is well' : plural(amcheck.findings.length, 'finding')}`,
    );
    for (const line of [...amcheck.findings, ...amcheck.unchecked]) output.warn(line);
  }
  for (const note of notes) output.info(`note: ${note}`);
  if (server) {
    output.info(`the server accepts connections at ${server.host} port ${server.port}`);
    const after = isCopy
      ? `take the copy away with \`pg_ctl -D ${plan.dataDirectory} stop\` and \`rm -r\``
      : `\`lifeboat backup --source ${plan.source}\``;
    output.info(`done in ${formatDuration(durationsMs.total)}; next: look at the data, then ${after}`);
    return;
  }
  output.info(
    `done in ${formatDuration(durationsMs.total)}; next: start the server, which then replays the log by itself:`,
  );
  output.info(`  pg_ctl -D ${plan.dataDirectory} -w start`);
}
