import type { DatabaseManifest } from '../app/sources.ts';
import { LifeboatError } from '../core/errors.ts';
import type { BackupReport } from '../engine/backup/backup.ts';
import type { SourceBase } from '../engine/backup/source-base.ts';
import type { PostgresSource } from '../model/configuration.ts';
import type { BackupType } from '../model/postgres-manifest.ts';
import { formatBytes, formatZonedTime } from './format.ts';
import { shownName } from './shown-name.ts';
import type { Output } from './terminal.ts';

/** What is printed of a database's backup beside the usual summary. */

const damagedPagesShown = 10;

/** `15.19` of 150019 (PQserverVersion). */
function versionText(number: number): string {
  return `${Math.floor(number / 10_000)}.${number % 10_000}`;
}

/**
 * Says what was backed up, to which points it can be recovered, and what to do next.
 * @throws LifeboatError `pages-damaged`, `incomplete-backup` for a snapshot with flaws.
 */
export function printDatabaseBackup(
  output: Output,
  source: PostgresSource,
  report: BackupReport,
  manifest: DatabaseManifest | null,
): void {
  for (const line of manifest ? outcome(source, manifest) : []) output.info(line);
  const { problems, damagedPages } = report;
  if (damagedPages.length > 0) {
    for (const { path, block } of output.json ? [] : damagedPages.slice(0, damagedPagesShown))
      output.warn(`damaged page: block ${block} of ${path}`);
    const count = damagedPages.length === 1 ? '1 page' : `${damagedPages.length} pages`;
    throw new LifeboatError(
      'pages-damaged',
      `${count} of ${source.name} ${damagedPages.length === 1 ? 'has' : 'have'} a wrong checksum; the snapshot holds them as they are`,
    );
  }
  if (problems === 0) return;
  throw new LifeboatError(
    'incomplete-backup',
    `${problems} item(s) of ${source.name} could not be read as they were; the snapshot is incomplete`,
  );
}

function outcome(source: PostgresSource, manifest: DatabaseManifest): string[] {
  const { name } = source;
  const server = `PostgreSQL ${versionText(manifest.serverVersion)}`;
  const dryRun = `lifeboat restore ${name} --dry-run`;
  if (manifest.kind === 'postgres-logical') {
    const { databases, globals } = manifest;
    const names = databases.map((database) => shownName(database.name)).join(', ');
    return [
      `${name}: ${server}, logical, ${names}${globals ? ' and globals' : ', without globals'}`,
      `Next: ${dryRun}`,
    ];
  }
  const { type, way, bytes, stopTime, stop, timeline } = manifest;
  const until = source.journal ? 'from here on' : 'at its end';
  return [
    `${name}: ${server}, physical, ${type}, ${way}, ${formatBytes(bytes)}`,
    `recoverable ${until}: ${formatZonedTime(Math.ceil(Date.parse(stopTime)))} (LSN ${stop}, timeline ${timeline})`,
    `Next: ${source.journal ? `lifeboat windows ${name}, or ` : ''}${dryRun}`,
  ];
}

/** For --dry-run: nothing is connected to, so this is all there is to say. */
export function printPlannedBackup(
  output: Output,
  source: PostgresSource,
  repository: string,
  type: BackupType,
  base: SourceBase | null,
): void {
  const { name, method } = source;
  const basedOn = base?.snapshot.id ?? null;
  if (output.json) {
    const plan = {
      source: name,
      repository,
      method,
      ...(method === 'physical' ? { type } : {}),
      base: basedOn,
    };
    output.jsonLine({ message_type: 'plan', dry_run: true, ...plan });
    return;
  }
  const how = method === 'physical' ? `physical, ${type}` : 'logical';
  const since = basedOn ? `, going on from snapshot ${basedOn.slice(0, 8)}` : '';
  output.info(`would back up ${name} to ${repository}: ${how}${since}`);
}
