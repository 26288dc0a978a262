import { type ByteString, toText } from '../core/bytestring.ts';
import { messageOf } from '../core/errors.ts';
import type { BackupReport } from '../engine/backup/backup.ts';
import type { BackupEvents, BackupProgress } from '../engine/backup/events.ts';
import type { Proof, ProofPhase } from '../verify/prove-snapshot.ts';
import { formatBytes, formatDuration, plural } from './format.ts';
import { progressIntervalMs } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import { restoreStatus } from './restore-printer.ts';
import type { Output } from './terminal.ts';
import type { UpRepository } from './up-repository.ts';

export interface UpResult {
  readonly up: UpRepository;
  /** Path of the recovery kit. */
  readonly kit: string;
  readonly targets: readonly string[];
  readonly report: BackupReport;
  readonly proof: Proof;
  readonly backupMs: number;
}

/** What `up` says, in plain words, or as one JSON object at the end. */
export interface UpPrinter {
  opened(up: UpRepository, kit: string): void;
  backupEvents(): BackupEvents & Required<Pick<BackupEvents, 'warning'>>;
  stored(report: BackupReport): void;
  phase(phase: ProofPhase): void;
  finish(result: UpResult): void;
  stop(): void;
}

/** Paths listed before the rest is only counted. */
const listedMax = 20;

const seconds = (ms: number): number => Math.round(ms) / 1000;
const took = (ms: number): string => (ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms));

const quoted = (argument: string): string =>
  /^[\w./:@%+=-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

/** The restore to type on this machine. */
export function nextCommand({ up }: Pick<UpResult, 'up'>): string {
  const password = 'keyFile' in up.password ? ` --password-file ${quoted(up.password.keyFile)}` : '';
  // Run by npx, the program is not in the PATH of the shell that the line will be pasted into.
  const program = process.env.npm_command === 'exec' ? 'npx lifeboat' : 'lifeboat';
  return `${program} restore latest --repo ${quoted(up.location)}${password} --target ./restored`;
}

export function upMessage(result: UpResult): Record<string, unknown> {
  const { up, report, proof } = result;
  const named = ({ path, what }: { path: ByteString; what: string }): { item: string; message: string } => ({
    item: toText(path),
    message: what,
  });
  const { summary } = report;
  return {
    message_type: 'summary',
    proven: proof.proven,
    complete: report.problems === 0,
    repository: up.location,
    repository_id: up.repository.config.id,
    repository_created: up.created,
    snapshot_id: report.snapshotId,
    paths: result.targets,
    total_files_processed: summary.total_files_processed,
    total_bytes_processed: summary.total_bytes_processed,
    data_added: summary.data_added,
    data_added_packed: summary.data_added_packed,
    files_compared: proof.filesCompared,
    bytes_compared: proof.bytesCompared,
    backup_seconds: seconds(result.backupMs),
    restore_seconds: seconds(proof.restoreMs),
    compare_seconds: seconds(proof.compareMs),
    problems: report.problems,
    failures: proof.failures.map(named),
    source_differences: proof.sourceDifferences.map(named),
    changed_since: proof.changedSince.map(toText),
    recovery_kit: result.kit,
    ...('keyFile' in up.password ? { password_file: up.password.keyFile } : {}),
    next_command: nextCommand(result),
  };
}

export function upLines(result: UpResult): string[] {
  const { report, proof, up } = result;
  const { summary } = report;
  const all = `${plural(summary.total_files_processed, 'file')}, ${formatBytes(summary.total_bytes_processed)}`;
  const lines = [
    '',
    `Stored:   ${all} of ${result.targets.join(', ')}, as snapshot ${report.snapshotId?.slice(0, 8)} in ${up.location}`,
    `          ${formatBytes(summary.data_added_packed)} were added to the repository, in ${took(result.backupMs)}.`,
  ];
  if (proof.proven) {
    lines.push(
      'Proven:   all of it was restored into a scratch folder, and every byte and all metadata are the same',
      '          as in the snapshot and at the source. The scratch folder is removed.',
    );
  } else lines.push('NOT PROVEN: what was restored is not what was backed up; see the differences above.');
  const changed = proof.changedSince.length;
  if (changed > 0) {
    lines.push(
      `          ${plural(changed, 'item')} changed at the source since, and could only be compared with the snapshot:`,
      ...listed(proof.changedSince.map(toText)).map((path) => `            ${path}`),
    );
  }
  if (report.problems > 0) {
    lines.push(
      `INCOMPLETE: ${plural(report.problems, 'item')} could not be read or changed while being read; see above.`,
    );
  }
  lines.push(
    `Recovery: bringing everything back took ${took(proof.restoreMs)} on this machine.`,
    '',
    `Recovery kit: ${result.kit}`,
    '          Print it, or store it away from this machine.',
    `Next:     ${nextCommand(result)}`,
  );
  return lines;
}

function listed(items: readonly string[]): string[] {
  const shown = items.slice(0, listedMax);
  return items.length > shown.length ? [...shown, `and ${items.length - shown.length} more`] : shown;
}

export function createUpPrinter(
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): UpPrinter {
  let timer: NodeJS.Timeout | undefined;

  function stop(): void {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    output.status([]);
  }

  /** Shows what is going on until the next phase; nothing with --json, whose only line is the summary. */
  function watch(line: (elapsedMs: number) => string): void {
    stop();
    const intervalMs = output.json ? 0 : progressIntervalMs(output, env);
    if (intervalMs === 0) return;
    const startedMs = performance.now();
    timer = setInterval(() => output.status([line(performance.now() - startedMs)]), intervalMs);
    timer.unref();
  }

  function warn(message: string): void {
    if (output.json) output.jsonError({ message_type: 'warning', message });
    else output.warn(`warning: ${message}`);
  }

  return {
    opened({ created, location, repository, password }, kit) {
      const id = repository.config.id.slice(0, 8);
      if (!created) output.info(`using repository ${id} at ${location}`);
      else {
        output.info(`created the encrypted repository ${id} at ${location}`);
        if ('keyFile' in password) output.info(`its password was made up and is kept in ${password.keyFile}`);
        output.info(`the recovery kit is ${kit}`);
      }
    },
    backupEvents() {
      let latest: BackupProgress = { files: 0, bytes: 0, problems: 0, current: [] };
      const rate = createRateMeter();
      output.info('backing up');
      watch((elapsedMs) => {
        rate.observe(elapsedMs, latest.bytes);
        return `[${formatDuration(elapsedMs)}] ${latest.files} files, ${formatBytes(latest.bytes)}, ${formatBytes(rate.bytesPerSecond())}/s, ${latest.problems} errors`;
      });
      return {
        problem(path, error) {
          const item = toText(path);
          if (!output.json) output.warn(`error: ${item}: ${messageOf(error)}`);
          else
            output.jsonError({
              message_type: 'error',
              error: { message: messageOf(error) },
              during: 'archival',
              item,
            });
        },
        warning: warn,
        progress(state) {
          latest = state;
        },
      };
    },
    stored(report) {
      stop();
      output.info(`snapshot ${report.snapshotId?.slice(0, 8)} is stored; proving it`);
    },
    phase(phase) {
      if (phase.name === 'restore') {
        output.info(`restoring it into ${phase.folder}`);
        const rate = createRateMeter();
        watch((elapsedMs) => {
          const counts = phase.counts();
          rate.observe(elapsedMs, counts.bytesRestored);
          return restoreStatus(counts, elapsedMs, rate.bytesPerSecond());
        });
        return;
      }
      const what = phase.name === 'compare' ? 'what was restored' : 'the source';
      output.info(`comparing ${what} with the snapshot`);
      watch((elapsedMs) => `[${formatDuration(elapsedMs)}] ${phase.filesDone()} files compared`);
    },
    finish(result) {
      stop();
      if (output.json) {
        output.jsonLine(upMessage(result));
        return;
      }
      const { failures, sourceDifferences } = result.proof;
      const differences = [...failures, ...sourceDifferences].map(
        ({ path, what }) => `${toText(path)} ${what}`,
      );
      for (const line of listed(differences)) output.warn(`difference: ${line}`);
      for (const line of upLines(result)) output.info(line);
    },
    stop,
  };
}
