import { type ByteString, toText } from '../core/bytestring.ts';
import { messageOf } from '../core/errors.ts';
import type { RestoreCounts, RestoreEvents } from '../engine/restore/request.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './format.ts';
import { progressIntervalMs } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import type { Output } from './terminal.ts';

/** What `restore` prints, in restic's words and JSON (internal/ui/restore/text.go, json.go). */
export interface RestorePrinter {
  readonly events: Required<RestoreEvents>;
  /** Shows progress until `stop` or `finish`. */
  watch(sample: () => Readonly<RestoreCounts>): void;
  finish(counts: Readonly<RestoreCounts>): void;
  stop(): void;
}

const secondsShownMin = 1;

/** restic leaves out fields that are zero, but for percent_done. */
export function restoreMessage(
  type: 'status' | 'summary',
  counts: Readonly<RestoreCounts>,
  elapsedMs: number,
): Record<string, unknown> {
  const { bytesRestored, bytesTotal } = counts;
  return {
    message_type: type,
    seconds_elapsed: Math.floor(elapsedMs / 1000) || undefined,
    ...(type === 'status' ? { percent_done: bytesTotal > 0 ? bytesRestored / bytesTotal : 0 } : {}),
    total_files: counts.filesTotal || undefined,
    files_restored: counts.filesRestored || undefined,
    files_skipped: counts.filesSkipped || undefined,
    files_deleted: counts.filesDeleted || undefined,
    total_bytes: bytesTotal || undefined,
    bytes_restored: bytesRestored || undefined,
    bytes_skipped: counts.bytesSkipped || undefined,
  };
}

function asides(counts: Readonly<RestoreCounts>): string {
  const { filesSkipped, bytesSkipped, filesDeleted } = counts;
  const skipped = filesSkipped > 0 ? `, skipped ${filesSkipped} files/dirs ${formatBytes(bytesSkipped)}` : '';
  return skipped + (filesDeleted > 0 ? `, deleted ${filesDeleted} files/dirs` : '');
}

/** The status line: restic's, with throughput and time left. */
export function restoreStatus(
  counts: Readonly<RestoreCounts>,
  elapsedMs: number,
  bytesPerSecond: number,
): string {
  const { filesRestored, filesTotal, bytesRestored, bytesTotal } = counts;
  const percent = formatPercent(bytesRestored, bytesTotal);
  const speed = elapsedMs >= secondsShownMin * 1000 ? `, ${formatRate(bytesPerSecond)}` : '';
  const left = bytesTotal - bytesRestored;
  const eta =
    speed && bytesPerSecond > 0 && left > 0 ? ` ETA ${formatDuration((left / bytesPerSecond) * 1000)}` : '';
  return `[${formatDuration(elapsedMs)}] ${percent}  ${filesRestored} files/dirs ${formatBytes(bytesRestored)}, total ${filesTotal} files/dirs ${formatBytes(bytesTotal)}${asides(counts)}${speed}${eta}`;
}

/** The line at the end. */
export function restoreSummary(counts: Readonly<RestoreCounts>, elapsedMs: number): string {
  const { filesRestored, filesTotal, bytesRestored, bytesTotal } = counts;
  const all = filesRestored === filesTotal && bytesRestored === bytesTotal;
  const what = all
    ? `${filesTotal} files/dirs (${formatBytes(bytesTotal)})`
    : `${filesRestored} / ${filesTotal} files/dirs (${formatBytes(bytesRestored)} / ${formatBytes(bytesTotal)})`;
  return `Summary: Restored ${what} in ${formatDuration(elapsedMs)}${asides(counts)}`;
}

export function createRestorePrinter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): RestorePrinter {
  const startedMs = performance.now();
  const rate = createRateMeter();
  let timer: NodeJS.Timeout | undefined;
  const elapsed = (): number => performance.now() - startedMs;

  function stop(): void {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    output.status([]);
  }

  function item(action: string, location: ByteString, size: number | null): void {
    if (output.verbosity < 3) return;
    const name = toText(location);
    if (output.json) {
      output.jsonLine({ message_type: 'verbose_status', action, item: name, size: size ?? 0 });
    } else {
      output.line(`${action.padEnd(9)} ${name}${size === null ? '' : ` with size ${formatBytes(size)}`}`);
    }
  }

  return {
    events: {
      problem(location, error) {
        const name = toText(location);
        if (!output.json) output.warn(`ignoring error for ${name}: ${messageOf(error)}`);
        else {
          output.jsonError({
            message_type: 'error',
            error: { message: messageOf(error) },
            during: 'restore',
            item: name,
          });
        }
      },
      warning(message) {
        if (output.json) output.jsonError({ message_type: 'warning', message });
        else output.warn(`warning: ${message}`);
      },
      item,
    },
    watch(sample) {
      const intervalMs = progressIntervalMs(output, env);
      if (intervalMs === 0) return;
      timer = setInterval(() => {
        const counts = sample();
        rate.observe(elapsed(), counts.bytesRestored);
        if (output.json) output.jsonLine(restoreMessage('status', counts, elapsed()));
        else output.status([restoreStatus(counts, elapsed(), rate.bytesPerSecond())]);
      }, intervalMs);
      timer.unref();
    },
    finish(counts) {
      stop();
      if (output.json) output.jsonLine(restoreMessage('summary', counts, elapsed()));
      else output.info(restoreSummary(counts, elapsed()));
    },
    stop,
  };
}
