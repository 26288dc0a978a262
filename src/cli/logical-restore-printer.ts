import type { LogicalRestoreEvents, LogicalRestoreReport } from '../engine/recover/logical/execute.ts';
import type { DatabasePlan, LogicalRestorePlan } from '../engine/recover/logical/request.ts';
import { formatBytes, formatDuration, formatPercent, formatRate, formatZonedTime, plural } from './format.ts';
import { progressIntervalMs } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import { shownName } from './shown-name.ts';
import type { Output } from './terminal.ts';

/** What a restore of dumps prints: its plan, its progress, its outcome. */

const versionText = (number: number): string => `${Math.floor(number / 10_000)}.${number % 10_000}`;

function databaseLines({
  database,
  target: name,
  way,
  existingBytes,
  sessionsToEnd,
  selection,
  jobs,
}: DatabasePlan): string[] {
  const target = shownName(name);
  const from = name === database.name ? '' : ` from ${shownName(database.name)}`;
  const size = `${formatBytes(database.bytes)} of dump${jobs > 1 ? `, ${jobs} jobs` : ''}`;
  const there = existingBytes === null ? '' : `, which has ${formatBytes(existingBytes)}`;
  const ended = sessionsToEnd === 0 ? '' : `; ${plural(sessionsToEnd, 'session')} will be ended`;
  const what = {
    create: `makes the database ${target}${from}`,
    swap: `replaces the database ${target}${there}${from}, once the new one is complete${ended}`,
    'in-place': `drops and restores the objects of ${target}${there}${from}, in one transaction`,
    objects: `restores into ${target}${there}, in one transaction`,
  }[way];
  const named = ({ schema, table }: { schema: string; table: string }): string =>
    shownName(`${schema}.${table}`);
  const parts = selection
    ? [
        `  ${[...selection.tables.map(named), ...selection.schemas.map((schema) => `schema ${shownName(schema)}`)].join(', ')}`,
        ...(selection.replaced.length > 0
          ? [`  drops what is there: ${selection.replaced.map(named).join(', ')}`]
          : []),
      ]
    : [];
  return [`${what} (${size})`, ...parts];
}

/** The plan for people, or the very object with --json. */
export function printLogicalPlan(output: Output, plan: LogicalRestorePlan): void {
  if (output.json) {
    output.jsonLine({ message_type: 'plan', ...plan });
    return;
  }
  const { snapshot, scratch } = plan;
  output.info(
    `restore of ${plan.source} from snapshot ${snapshot.id.slice(0, 8)} of ${formatZonedTime(Date.parse(snapshot.time), false)}`,
  );
  output.info(`to ${plan.server}, PostgreSQL ${versionText(plan.serverVersion)}`);
  if (plan.globals) output.info('- roles and tablespaces that are missing');
  for (const database of plan.databases) {
    const [first, ...more] = databaseLines(database);
    output.info(`- ${first}`);
    for (const line of more) output.info(line);
  }
  for (const { name, purpose, target } of plan.leftovers)
    output.info(
      purpose === 'new'
        ? `- drops ${shownName(name)}, which a restore that was cut off left half made`
        : `- backs up and drops ${shownName(name)}: ${shownName(target)} as it was before a restore that was cut off`,
    );
  for (const { target, way } of plan.databases) {
    if (!plan.safetyBackup.includes(target)) continue;
    output.info(
      way === 'swap'
        ? `- takes a safety backup of ${shownName(target)} when nobody can write to the old one any more, then drops that`
        : `- before that, takes a safety backup of ${shownName(target)}`,
    );
  }
  if (scratch)
    output.info(
      `- ${formatBytes(scratch.bytesNeeded)} in ${scratch.folder}, where ${formatBytes(scratch.bytesFree)} are free`,
    );
  for (const warning of plan.warnings) output.warn(`warning: ${warning}`);
}

export interface LogicalRestorePrinter {
  readonly events: Required<LogicalRestoreEvents>;
  finish(report: LogicalRestoreReport): void;
  stop(): void;
}

export function createLogicalRestorePrinter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): LogicalRestorePrinter {
  const startMs = performance.now();
  const intervalMs = progressIntervalMs(output, env);
  let rate = createRateMeter();
  let of = '';
  let ofStartMs = startMs;
  let shownMs = Number.NEGATIVE_INFINITY;
  const stop = (): void => {
    if (intervalMs > 0 && !output.json) output.status([]);
  };

  function progress(target: string, bytes: number, total: number): void {
    const nowMs = performance.now();
    if (target !== of) {
      of = target;
      ofStartMs = nowMs;
      rate = createRateMeter();
    }
    rate.observe(nowMs - ofStartMs, bytes);
    if (intervalMs === 0 || nowMs - shownMs < intervalMs) return;
    shownMs = nowMs;
    const perSecond = rate.bytesPerSecond();
    if (output.json) {
      output.jsonLine({
        message_type: 'status',
        database: target,
        seconds_elapsed: Math.floor((nowMs - startMs) / 1000),
        percent_done: total > 0 ? bytes / total : 0,
        total_bytes: total,
        bytes_restored: bytes,
      });
      return;
    }
    const left = perSecond > 0 ? ` ETA ${formatDuration(((total - bytes) / perSecond) * 1000)}` : '';
    output.status([
      `[${formatDuration(nowMs - startMs)}] ${shownName(target)} ${formatPercent(bytes, total)}  ${formatBytes(bytes)} of ${formatBytes(total)}, ${formatRate(perSecond)}${left}`,
    ]);
  }

  return {
    events: {
      progress,
      step: (message) => output.verbose(message),
      warning: (message) => output.warn(`warning: ${message}`),
    },
    stop,
    finish(report) {
      stop();
      if (output.json) {
        output.jsonLine({ message_type: 'summary', ...report });
        return;
      }
      const { globals } = report;
      if (globals) {
        const skipped =
          globals.rolesSkipped.length > 0 ? `, ${globals.rolesSkipped.join(', ')} left as they were` : '';
        output.info(`${plural(globals.rolesCreated, 'role')} made${skipped}`);
      }
      for (const {
        target: name,
        tables,
        bytes,
        durationMs,
        warnings,
        problems,
        problemCount,
      } of report.databases) {
        const target = shownName(name);
        for (const warning of warnings) output.warn(`warning: ${target}: ${warning}`);
        for (const problem of problems) output.warn(`not restored in ${target}: ${problem}`);
        if (problemCount > problems.length)
          output.warn(`not restored in ${target}: ${problemCount - problems.length} more`);
        output.info(
          `${target}: ${plural(tables, 'table')}, ${formatBytes(bytes)} in ${formatDuration(durationMs)}`,
        );
      }
    },
  };
}
