import { type ByteString, toText } from '../core/bytestring.ts';
import { messageOf } from '../core/errors.ts';
import type { BackupReport } from '../engine/backup/backup.ts';
import type { BackupEvents, BackupProgress, ItemCosts, ItemStatus } from '../engine/backup/events.ts';
import type { ScanTotals } from '../engine/backup/scan.ts';
import type { TreeNode } from '../model/node.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { formatBytes, formatDuration } from './format.ts';
import { showTransfer } from './progress.ts';
import type { Output } from './terminal.ts';
import { printable } from './text-width.ts';

/** What `backup` prints, in restic's words and JSON (internal/ui/backup/text.go, json.go). */
export interface BackupPrinter {
  readonly events: BackupEvents &
    Required<Pick<BackupEvents, 'warning'>> & { parent(snapshot: StoredSnapshot | null): void };
  scanned(totals: ScanTotals): void;
  /** @param facts further members of the JSON summary. */
  finish(
    report: BackupReport,
    dryRun: boolean,
    startedMs: number,
    facts?: Readonly<Record<string, unknown>>,
  ): void;
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
    // What a source expects is not always all that comes.
    ...(totals
      ? {
          filesTotal: Math.max(totals.files, latest.files),
          bytesTotal: Math.max(totals.bytes, latest.bytes),
        }
      : {}),
    errors: latest.problems,
    currentFiles: latest.current.map(toText),
  }));

  const verboseStatus = (action: string, facts: Readonly<Record<string, unknown>>): void =>
    output.jsonLine({
      message_type: 'verbose_status',
      action,
      item: '',
      duration: 0,
      data_size: 0,
      data_size_in_repo: 0,
      metadata_size: 0,
      metadata_size_in_repo: 0,
      total_files: 0,
      ...facts,
    });

  function item(path: ByteString, node: TreeNode, status: ItemStatus, costs: ItemCosts): void {
    const isFolder = node.type === 'dir';
    const name = toText(path) + (isFolder ? '/' : '');
    const { durationMs, newBytes, storedBytes, treeBytes, treeStoredBytes } = costs;
    if (output.json) {
      verboseStatus(actions[status], {
        item: name,
        duration: durationMs / 1000,
        data_size: newBytes,
        data_size_in_repo: storedBytes,
        metadata_size: treeBytes,
        metadata_size_in_repo: treeStoredBytes,
      });
      return;
    }
    const metadata = isFolder ? `, ${formatBytes(treeStoredBytes)} metadata` : '';
    const saved = `, saved in ${(durationMs / 1000).toFixed(3)}s (${formatBytes(newBytes)} added, ${formatBytes(storedBytes)} stored${metadata})`;
    output.line(`${actions[status].padEnd(9)} ${printable(name)}${status === 'unchanged' ? '' : saved}`);
  }

  function excluded(path: ByteString): void {
    if (output.json) output.jsonLine({ message_type: 'excluded_item', item: toText(path) });
    else output.line(`excluded  ${printable(toText(path))}`);
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
        if (!output.json) output.warn(`error: ${printable(name)}: ${messageOf(error)}`);
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
      ...(output.verbosity >= 3 ? { item, excluded } : {}),
      expected(files, bytes) {
        totals = { files, bytes, durationMs: 0 };
      },
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
      const { files, bytes, durationMs } = found;
      const duration = durationMs / 1000;
      output.verbose(`scan finished in ${duration.toFixed(3)}s: ${files} files, ${formatBytes(bytes)}`);
      if (output.json && output.verbosity >= 3)
        verboseStatus('scan_finished', { duration, data_size: bytes, total_files: files });
    },
    finish(report, dryRun, startedMs, facts = {}) {
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
        ...facts,
      });
    },
    stop: () => progress.stop(),
  };
}
