import type { Sample } from '../measure/statistics.ts';
import type { Bar, Comparison, Measure, Row } from './comparison.ts';

export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  return `${seconds.toFixed(seconds < 100 ? 2 : 0)} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${Number(bytes.toFixed(1))} B`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(3)} GB`;
}

const formats: Readonly<Record<Measure, (value: number) => string>> = {
  seconds: formatSeconds,
  peakBytes: formatBytes,
  storedBytes: formatBytes,
  points: (points) => `${points.toFixed(1)} points`,
  requests: (requests) => requests.toLocaleString('en'),
};

const measureNames: Readonly<Record<Measure, string>> = {
  seconds: 'time',
  peakBytes: 'memory',
  storedBytes: 'stored size',
  points: 'share',
  requests: 'requests',
};

/** The median with the least and the most of all runs. */
export function formatSpread(sample: Sample | null, format: (value: number) => string): string {
  if (sample === null) return '–';
  if (sample.values.length === 1) return format(sample.median);
  return `${format(sample.median)} (${format(sample.least)} to ${format(sample.most)})`;
}

const factor = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)}×`;

export const barHead = ['bar', 'ours', 'peer', 'ratio', 'wanted', 'met'] as const;

/** A bar as the cells of a table's row. */
export function barCells({ title }: Comparison, bar: Bar): string[] {
  const format = formats[bar.measure];
  const { kind, wanted, peer, ours, theirs, ratio, met } = bar;
  const subject = title.includes('memory') || title.includes('Memory') ? `, ${bar.program}` : '';
  const asked =
    peer === undefined
      ? `at most ${format(wanted)}`
      : `${kind === 'faster' ? 'at least' : 'at most'} ${wanted}×`;
  return [
    `${title}${subject}: ${measureNames[bar.measure]}`,
    ours === null ? '–' : format(ours),
    peer === undefined ? '–' : `${theirs === null ? '–' : format(theirs)} (${peer})`,
    ratio === null ? '–' : factor(ratio),
    asked,
    met === null ? `not measured: ${bar.reason}` : met ? 'yes' : 'NO',
  ];
}

const rowHead = ['program', 'time: median (spread)', 'peak memory', 'stored'];

/** The total with its kinds, the most frequent first. */
function formatRequests({ requests, requestKinds = {} }: Row): string {
  if (!requests) return '–';
  const kinds = Object.entries(requestKinds)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${count}`);
  return `${formats.requests(requests.median)}: ${kinds.join(', ')}`;
}

/** The programs of a comparison as a table: its head, and the cells of its rows. */
export function rowTable({ rows }: Comparison): { readonly head: string[]; readonly rows: string[][] } {
  const withRequests = rows.some(({ requests }) => requests);
  const cellsOf = (row: Row): string[] => {
    const { program, seconds, peakBytes, storedBytes, points, reason } = row;
    if (reason !== null) return [program, `not measured: ${reason}`, '', '', ...(withRequests ? [''] : [])];
    return [
      program,
      points ? formatSpread(points, formats.points) : formatSpread(seconds, formatSeconds),
      peakBytes === null ? '–' : formatBytes(peakBytes.most),
      storedBytes === null ? '–' : formatBytes(storedBytes.median),
      ...(withRequests ? [formatRequests(row)] : []),
    ];
  };
  return { head: withRequests ? [...rowHead, 'requests'] : rowHead, rows: rows.map(cellsOf) };
}
