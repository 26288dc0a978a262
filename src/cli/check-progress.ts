import type { CheckProgress } from '../engine/check/report.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from './format.ts';
import { type Progress, progressIntervalMs } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import type { Output } from './terminal.ts';

/** Shows how far the reading of packs is, with the throughput and the time left. Nothing with --json. */
export function showCheckProgress(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
  sample: () => CheckProgress,
): Progress {
  const intervalMs = output.json ? 0 : progressIntervalMs(output, env);
  if (intervalMs === 0) return { stop: () => undefined };
  const rate = createRateMeter();
  const started = performance.now();
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - started;
    const state = sample();
    rate.observe(elapsedMs, state.bytesDone);
    output.status([checkLine(state, elapsedMs, rate.bytesPerSecond())]);
  }, intervalMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      output.status([]);
    },
  };
}

/** `[0:05] 40.00%  2 / 5 packs, 1.000 GiB / 2.500 GiB, 300.000 MiB/s, ETA 0:05`. */
export function checkLine(state: CheckProgress, elapsedMs: number, bytesPerSecond: number): string {
  const { packsDone, packsTotal, bytesDone, bytesTotal } = state;
  const left = bytesTotal - bytesDone;
  const parts = [
    `[${formatDuration(elapsedMs)}] ${formatPercent(bytesDone, bytesTotal)}  ${packsDone} / ${packsTotal} packs`,
    `${formatBytes(bytesDone)} / ${formatBytes(bytesTotal)}`,
  ];
  if (bytesPerSecond > 0) {
    parts.push(formatRate(bytesPerSecond));
    if (left > 0) parts.push(`ETA ${formatDuration((left / bytesPerSecond) * 1000)}`);
  }
  return parts.join(', ');
}
