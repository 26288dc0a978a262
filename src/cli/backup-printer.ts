import { type ByteString, toText } from '../core/bytestring.ts';
import { messageOf } from '../core/errors.ts';
import type { BackupReport } from '../engine/backup/backup.ts';
import type { BackupEvents, BackupProgress } from '../engine/backup/events.ts';
import type { ScanTotals } from '../engine/backup/scan.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { formatBytes, formatDuration } from './format.ts';
import { showTransfer } from './progress.ts';
import type { Output } from './terminal.ts';

/** What `backup` prints, in restic's words and JSON (internal/ui/backup/text.go, json.go). */
export interface BackupPrinter {
  readonly events: Required<Pick<BackupEvents, 'problem' | 'warning' | 'item' | 'progress'>> & {
    parent(snapshot: StoredSnapshot | null): void;
  };
  scanned(totals: ScanTotals): void;
  finish(report: BackupReport, dryRun: boolean, startedMs: number): void;
  stop(): void;
}

const actions = { new: 'new', changed: 'modified', unchanged: 'unchanged' } as const;

export function createBackupPrinter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): BackupPrinter {
  let latest: BackupProgress = { files: 0, bytes: 0, problems: 0, current: [] };
  let totals: ScanTotals | undefined;
  const progress = showTransfer(output, env, () => ({
    filesDone: latest.files,
    bytesDone: latest.bytes,
    ...(totals ? { filesTotal: totals.files, bytesTotal: totals.bytes } : {}),
    errors: latest.problems,
    currentFiles: latest.current.map(toText),
  }));

  function item(
    path: ByteString,
    node: { readonly type: string },
    status: keyof typeof actions,
    stored: number,
  ): void {
    if (output.verbosity < 3) return;
    const name = toText(path) + (node.type === 'dir' ? '/' : '');
    if (output.json) {
      output.jsonLine({
        message_type: 'verbose_status',
        action: actions[status],
        item: name,
        duration: 0,
        data_size: 0,
        data_size_in_repo: stored,
        metadata_size: 0,
        metadata_size_in_repo: 0,
        total_files: 0,
      });
    } else
      output.line(
        `${actions[status].padEnd(9)} ${name}${stored > 0 ? `, ${formatBytes(stored)} stored` : ''}`,
      );
  }

  function printSummary(
    { summary, snapshotId, parent }: BackupReport,
    dryRun: boolean,
    durationMs: number,
  ): void {
    const row = (name: string, counts: readonly number[]): string => {
      const [added, changed, same] = counts.map((count) => String(count).padStart(5));
      return `${name}${added} new, ${changed} changed, ${same} unmodified`;
    };
    output.info();
    output.info(row('Files:       ', [summary.files_new, summary.files_changed, summary.files_unmodified]));
    output.info(row('Dirs:        ', [summary.dirs_new, summary.dirs_changed, summary.dirs_unmodified]));
    output.verbose(`Data Blobs:  ${String(summary.data_blobs).padStart(5)} new`);
    output.verbose(`Tree Blobs:  ${String(summary.tree_blobs).padStart(5)} new`);
    const added = `${formatBytes(summary.data_added)} (${formatBytes(summary.data_added_packed)} stored)`;
    output.info(`${dryRun ? 'Would add' : 'Added'} to the repository: ${added}`);
    output.info();
    const rate =
      durationMs > 0 ? `, ${formatBytes(summary.total_bytes_processed / (durationMs / 1000))}/s` : '';
    output.info(
      `processed ${summary.total_files_processed} files, ${formatBytes(summary.total_bytes_processed)} in ${formatDuration(durationMs)}${rate}`,
    );
    if (dryRun) return;
    if (snapshotId) output.info(`snapshot ${snapshotId.slice(0, 8)} saved`);
    else output.info(`nothing changed since snapshot ${parent?.id.slice(0, 8)}: skipped creating snapshot`);
  }

  return {
    events: {
      problem(path, error) {
        const name = toText(path);
        if (!output.json) output.warn(`error: ${name}: ${messageOf(error)}`);
        else
          output.jsonError({
            message_type: 'error',
            error: { message: messageOf(error) },
            during: 'archival',
            item: name,
          });
      },
      warning(message) {
        if (output.json) output.jsonError({ message_type: 'warning', message });
        else output.warn(`warning: ${message}`);
      },
      item,
      progress(state) {
        latest = state;
      },
      parent(snapshot) {
        output.info(
          snapshot
            ? `using parent snapshot ${snapshot.id.slice(0, 8)}`
            : 'no parent snapshot found, will read all files',
        );
      },
    },
    scanned(found) {
      totals = found;
      output.verbose(`scan finished: ${found.files} files, ${formatBytes(found.bytes)}`);
    },
    finish(report, dryRun, startedMs) {
      progress.stop();
      const durationMs = performance.now() - startedMs;
      if (!output.json) return printSummary(report, dryRun, durationMs);
      const { backup_start, backup_end, ...counts } = report.summary;
      output.jsonLine({
        message_type: 'summary',
        ...counts,
        total_duration: durationMs / 1000,
        backup_start,
        backup_end,
        ...(report.snapshotId ? { snapshot_id: report.snapshotId } : {}),
        ...(dryRun ? { dry_run: true } : {}),
      });
    },
    stop: () => progress.stop(),
  };
}
