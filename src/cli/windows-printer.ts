import type { TimedTimeline } from '../engine/recover/windows.ts';
import { formatZonedTime, plural } from './format.ts';
import type { Output } from './terminal.ts';

export interface SourceWindows {
  readonly source: string;
  readonly repositories: readonly string[];
  readonly clusters: readonly {
    readonly system: string;
    readonly backups: number;
    readonly timelines: readonly TimedTimeline[];
  }[];
  readonly problems: readonly string[];
}

const barCellsMax = 60;

/** With the zone, so that it can be given to `restore --to`. Rounded into the window. */
const earliest = (ms: number): string => formatZonedTime(Math.ceil(ms));
const latest = (ms: number | null): string => (ms === null ? 'unknown' : formatZonedTime(Math.floor(ms)));

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Oldest and newest time of all windows; null where none has times. */
function spanOf(timelines: readonly TimedTimeline[]): Span | null {
  const times = timelines.flatMap(({ windows }) =>
    windows.flatMap(({ startMs, endMs }) => [startMs, endMs].filter((ms) => ms !== null)),
  );
  if (times.length === 0) return null;
  const fromMs = times.reduce((a, b) => Math.min(a, b));
  const toMs = times.reduce((a, b) => Math.max(a, b));
  return toMs > fromMs ? { fromMs, toMs } : null;
}

/** `░░████|███░░██`: windows as blocks over the time of all, backups where they ended. */
export function windowBar(timeline: TimedTimeline, span: Span, cells: number): string {
  const bar = Array.from({ length: cells }, () => '░');
  const cellOf = (ms: number): number =>
    Math.min(cells - 1, Math.floor(((ms - span.fromMs) / (span.toMs - span.fromMs)) * cells));
  for (const { startMs, endMs } of timeline.windows) {
    const first = startMs ?? endMs;
    if (first === null) continue;
    for (let cell = cellOf(first); cell <= cellOf(endMs ?? first); cell++) bar[cell] = '█';
  }
  return bar.join('');
}

function printTimeline(output: Output, timeline: TimedTimeline, span: Span | null): void {
  const { parent, windows, gaps } = timeline;
  const from = parent === null ? '' : ` (left timeline ${parent.timeline} at ${parent.at})`;
  output.line(`  timeline ${timeline.timeline}${from}`);
  if (output.isTerminal && span !== null) {
    const cells = Math.max(10, Math.min(barCellsMax, output.columns - 6));
    output.line(`    ${output.style('green', windowBar(timeline, span, cells))}`);
  }
  if (windows.length === 0) output.line('    nothing can be recovered on it');
  for (const { startLsn, endLsn, startMs, endMs, backups } of windows) {
    const count = plural(backups.length, 'backup');
    const begin = startMs === null ? 'its beginning' : earliest(startMs);
    output.line(
      startLsn === endLsn && endMs === startMs
        ? `    only ${begin}  (LSN ${startLsn}, ${count})`
        : `    from ${begin} to ${latest(endMs)}  (LSN ${startLsn} to ${endLsn}, ${count})`,
    );
  }
  for (const { startLsn, endLsn, missing, close } of gaps) {
    const what = missing.map(({ start, end }) => `${start} to ${end}`).join(', ');
    output.line(
      `    ${output.style('yellow', 'gap')} from LSN ${startLsn} to ${endLsn}${what === '' ? '' : `: the log ${what} is missing`}`,
    );
    output.line(`      ${close}`);
  }
}

/** Windows, gaps and, on a terminal, a small picture of them. */
export function printWindows(
  output: Output,
  { source, repositories, clusters, problems }: SourceWindows,
): void {
  output.line(`${output.style('bold', source)} in ${repositories.join(', ')}`);
  if (clusters.length === 0) output.line('  no backup and no log yet');
  for (const { system, backups, timelines } of clusters) {
    if (clusters.length > 1) output.line(`  cluster ${system}`);
    if (backups === 0) output.line('  no physical backup: without one, the log leads nowhere');
    const span = spanOf(timelines);
    for (const timeline of timelines) printTimeline(output, timeline, span);
  }
  for (const problem of problems) output.warn(`warning: ${problem}`);
}
