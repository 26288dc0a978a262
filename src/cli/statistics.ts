import type { CompressionFigures } from '../engine/stats/raw-data.ts';
import type { SizeHistogram } from '../engine/stats/size-histogram.ts';
import { formatBytes } from './format.ts';
import { formatTable } from './table.ts';

/** What `stats` prints (restic cmd/restic/cmd_stats.go); figures that are zero are left out. */
export interface Statistics {
  readonly snapshots: number;
  readonly files: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly uncompressedBytes?: number;
  readonly compression?: CompressionFigures;
}

export function statisticsJson(statistics: Statistics): string {
  const { snapshots, files, blobs, bytes, uncompressedBytes, compression } = statistics;
  return JSON.stringify({
    total_size: bytes,
    total_uncompressed_size: uncompressedBytes || undefined,
    compression_ratio: compression?.ratio || undefined,
    compression_progress: compression?.progressPercent || undefined,
    compression_space_saving: compression?.savingPercent || undefined,
    total_file_count: files || undefined,
    total_blob_count: blobs || undefined,
    snapshots_count: snapshots,
  });
}

export function statisticsLines(mode: string, statistics: Statistics): string[] {
  const { snapshots, files, blobs, bytes, uncompressedBytes = 0, compression } = statistics;
  const { ratio = 0, progressPercent = 0, savingPercent = 0 } = compression ?? {};
  const rows: (readonly [string, string] | null)[] = [
    ['Snapshots processed', String(snapshots)],
    blobs > 0 ? ['Total Blob Count', String(blobs)] : null,
    files > 0 ? ['Total File Count', String(files)] : null,
    uncompressedBytes > 0 ? ['Total Uncompressed Size', formatBytes(uncompressedBytes).padEnd(5)] : null,
    ['Total Size', formatBytes(bytes).padEnd(5)],
    progressPercent > 0 ? ['Compression Progress', `${progressPercent.toFixed(2)}%`] : null,
    ratio > 0 ? ['Compression Ratio', `${ratio.toFixed(2)}x`] : null,
    savingPercent > 0 ? ['Compression Space Saving', `${savingPercent.toFixed(2)}%`] : null,
  ];
  const lines = rows.flatMap((row) => (row === null ? [] : `${row[0].padStart(24)}:  ${row[1]}`));
  return [`Stats in ${mode} mode:`, ...lines];
}

/** The table of `stats --mode debug` for one kind of files or blobs. */
export function histogramLines({ count, bytes, classes, oversized }: SizeHistogram): string[] {
  const ranges = classes.map(({ lower, upper }) => `${lower} - ${upper} Byte`);
  const width = Math.max(0, ...ranges.map((range) => range.length));
  const rows = classes.map((one, i) => [ranges[i]!.padStart(width), String(one.count)]);
  const table = formatTable(['Size', 'Count'], rows);
  return [
    `Count: ${count}`,
    `Total Size: ${formatBytes(bytes)}`,
    ...table,
    table[1]!,
    ...(oversized.length > 0 ? [`Oversized: [${oversized.join(' ')}]`] : []),
  ];
}
