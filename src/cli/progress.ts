import { formatBytes, formatDuration, formatPercent, formatRate } from './format.ts';
import { createRateMeter } from './rate-meter.ts';
import type { Output } from './terminal.ts';
import { printable } from './text-width.ts';

const intervalMsDefault = 100;
const framesPerSecondMax = 60;
const secondsShownMin = 1;

/**
 * How often progress is shown, in milliseconds; 0 for never. On a terminal and with --json ten times a
 * second; elsewhere only when LIFEBOAT_PROGRESS_FPS or RESTIC_PROGRESS_FPS says how often (restic
 * internal/ui/progress/terminal.go).
 */
export function progressIntervalMs(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): number {
  const frames = Number.parseFloat(env.LIFEBOAT_PROGRESS_FPS || env.RESTIC_PROGRESS_FPS || '');
  if (frames > 0) return 1000 / Math.min(frames, framesPerSecondMax);
  if (output.verbosity === 0) return 0;
  return output.json || output.canUpdateStatus ? intervalMsDefault : 0;
}

/** What a long operation has done so far; it is asked for, never pushed. */
export interface TransferState {
  readonly filesDone: number;
  readonly bytesDone: number;
  /** Undefined while the scan has not ended. */
  readonly filesTotal?: number;
  readonly bytesTotal?: number;
  readonly errors: number;
  readonly currentFiles: readonly string[];
}

export interface Progress {
  /** Shows the last state where it was shown at all, clears the status and stops. Harmless when repeated. */
  stop(): void;
}

/** Shows the progress of a backup or restore: time, percent, files, bytes, throughput, errors, time left, current files. */
export function showTransfer(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
  sample: () => TransferState,
): Progress {
  const rate = createRateMeter();
  return repeat(output, env, (elapsedMs) => {
    const state = sample();
    rate.observe(elapsedMs, state.bytesDone);
    if (output.json) output.jsonLine(transferMessage(state, elapsedMs, rate.bytesPerSecond()));
    else output.status(transferLines(state, elapsedMs, rate.bytesPerSecond()));
  });
}

/** A counter of things: `[0:05] 40.00%  2 / 5 packs`. */
export interface Counter extends Progress {
  add(number: number): void;
  setTotal(total: number): void;
}

/**
 * Shows how many of something are done. With --json nothing is shown. The last line stays on the screen.
 *
 * @param noun in plural: `packs`
 */
export function showCounter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
  noun: string,
  total = 0,
): Counter {
  let done = 0;
  let whole = total;
  const started = performance.now();
  const line = (): string => counterLine(done, whole, noun, performance.now() - started);
  const progress = output.json
    ? { stop: () => undefined }
    : repeat(output, env, () => output.status([line()]));
  let stopped = false;
  return {
    add: (number) => {
      done += number;
    },
    setTotal: (number) => {
      whole = number;
    },
    stop() {
      if (stopped) return;
      stopped = true;
      progress.stop();
      output.info(line());
    },
  };
}

function repeat(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
  show: (elapsedMs: number) => void,
): Progress {
  const intervalMs = progressIntervalMs(output, env);
  if (intervalMs === 0) return { stop: () => undefined };
  const started = performance.now();
  const timer = setInterval(() => show(performance.now() - started), intervalMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      output.status([]);
    },
  };
}

/** The status lines of a transfer, as restic words them, with the throughput added. */
export function transferLines(state: TransferState, elapsedMs: number, bytesPerSecond: number): string[] {
  const { filesDone, bytesDone, filesTotal, bytesTotal, errors } = state;
  const elapsed = `[${formatDuration(elapsedMs)}]`;
  const speed = elapsedMs >= secondsShownMin * 1000 ? `, ${formatRate(bytesPerSecond)}` : '';
  let line: string;
  if (filesTotal === undefined || bytesTotal === undefined) {
    line = `${elapsed} ${filesDone} files, ${formatBytes(bytesDone)}${speed}, ${errors} errors`;
  } else {
    const secondsLeft = remainingSeconds(state, bytesPerSecond);
    const percent = bytesDone < bytesTotal ? `${formatPercent(bytesDone, bytesTotal)}  ` : '';
    const eta = secondsLeft === undefined ? '' : ` ETA ${formatDuration(secondsLeft * 1000)}`;
    line = `${elapsed} ${percent}${filesDone} files ${formatBytes(bytesDone)}, total ${filesTotal} files ${formatBytes(bytesTotal)}${speed}, ${errors} errors${eta}`;
  }
  return [line, ...state.currentFiles.map(printable).toSorted()];
}

/** restic's `status` message (internal/ui/backup/json.go): fields that are zero are left out, but percent_done. */
export function transferMessage(
  state: TransferState,
  elapsedMs: number,
  bytesPerSecond: number,
): Record<string, unknown> {
  const { filesDone, bytesDone, filesTotal, bytesTotal = 0, errors, currentFiles } = state;
  const message: Record<string, unknown> = {
    message_type: 'status',
    seconds_elapsed: Math.floor(elapsedMs / 1000) || undefined,
    seconds_remaining: remainingSeconds(state, bytesPerSecond) || undefined,
    percent_done: bytesTotal > 0 ? bytesDone / bytesTotal : 0,
    total_files: filesTotal || undefined,
    files_done: filesDone || undefined,
    total_bytes: bytesTotal || undefined,
    bytes_done: bytesDone || undefined,
    error_count: errors || undefined,
    current_files: currentFiles.length > 0 ? currentFiles.toSorted() : undefined,
  };
  return message;
}

/** The line of a counter. */
export function counterLine(done: number, total: number, noun: string, elapsedMs: number): string {
  const elapsed = `[${formatDuration(elapsedMs)}]`;
  return total === 0
    ? `${elapsed}          ${done} ${noun}`
    : `${elapsed} ${formatPercent(done, total)}  ${done} / ${total} ${noun}`;
}

function remainingSeconds(state: TransferState, bytesPerSecond: number): number | undefined {
  const { bytesDone, bytesTotal } = state;
  if (bytesTotal === undefined || bytesDone >= bytesTotal || bytesPerSecond <= 0) return undefined;
  return Math.floor((bytesTotal - bytesDone) / bytesPerSecond);
}
