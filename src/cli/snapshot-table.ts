import { shortId } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import type { GroupKey } from '../policy/grouping.ts';
import { formatBytes, formatLocalTime } from './format.ts';
import { shownTags } from './shown-tags.ts';
import { formatTable } from './table.ts';
import { printable } from './text-width.ts';

interface TableStyle {
  readonly compact?: boolean;
  /** Why each snapshot is kept, in the same order; adds a column. */
  readonly reasons?: readonly (readonly string[])[];
}

/** The table of `snapshots` and `forget` (restic cmd/restic/cmd_snapshots.go), in the order given. */
export function formatSnapshotTable(
  snapshots: readonly StoredSnapshot[],
  env: Readonly<Record<string, string | undefined>>,
  { compact = false, reasons }: TableStyle = {},
): string[] {
  const withSize = snapshots.some(({ summary }) => summary !== undefined);
  const headings = compact
    ? ['ID', 'Time', 'Host', 'Tags  ']
    : ['ID', 'Time', 'Host      ', 'Tags      ', ...(reasons ? ['Reasons'] : []), 'Paths'];
  const spaced = !compact && snapshots.some(({ paths }) => paths.length > 1);
  const rows = snapshots.map((snapshot, i) => {
    const { id, time, hostname = '', tags = [], paths, summary } = snapshot;
    const size = withSize ? [summary ? formatBytes(summary.total_bytes_processed) : ''] : [];
    const common = [shortId(id), formatLocalTime(time), printable(hostname)];
    const tagCells = shownTags(tags);
    if (compact) return [...common, tagCells.join('\n'), ...size];
    const why = reasons?.[i] ?? [];
    const shownPaths = paths.map(printable);
    // A line of air below: the row gets one line more than its fullest cell.
    const air = spaced && i + 1 < snapshots.length ? '\n'.repeat(Math.max(1, paths.length, why.length)) : '';
    return [
      common[0] + air,
      ...common.slice(1),
      tagCells.join(','),
      ...(reasons ? [why.join('\n')] : []),
      shownPaths.join('\n'),
      ...size,
    ];
  });
  const footer = `Timestamps shown in ${zoneName(env)}\n${snapshots.length} snapshots`;
  return formatTable([...headings, ...(withSize ? ['Size'] : [])], rows, footer);
}

/** `snapshots for (host [a], paths [/x, /y]):`, or null for the group of all. */
export function groupHeading({ hostname, tags, paths }: GroupKey): string | null {
  const parts = [
    ...(hostname === '' ? [] : [`host [${printable(hostname)}]`]),
    ...(tags === null ? [] : [`tags [${tags.map(printable).join(', ')}]`]),
    ...(paths === null ? [] : [`paths [${paths.map(printable).join(', ')}]`]),
  ];
  return parts.length === 0 ? null : `snapshots for (${parts.join(', ')}):`;
}

/** What Go calls the zone that local times are in: the name in TZ, or `local time`. */
function zoneName({ TZ }: Readonly<Record<string, string | undefined>>): string {
  return TZ === undefined ? 'local time' : TZ.replace(/^:/, '') || 'UTC';
}
