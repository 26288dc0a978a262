import type { ExportReport } from '../engine/export/execute.ts';
import type { ExportPlan } from '../engine/export/plan.ts';
import { formatBytes, plural } from './format.ts';
import type { Output } from './terminal.ts';

/** The plan and the report of `export`, for people and for programs. */

export interface ExportPlace {
  readonly name: string;
  readonly volumeBytes: number | null;
}

const shellSafe = /^[\w@%+=:,./-]+$/;

/** A word as a shell takes it. */
const quoted = (word: string): string => (shellSafe.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export function printExportPlan(output: Output, plan: ExportPlan, place: ExportPlace): void {
  const { snapshots, whole, repack, repackBytes, foreignBytes, journal, journalSources, bytes } = plan;
  const wholeBytes = whole.reduce((sum, pack) => sum + pack.bytes, 0);
  const journalBytes = journal.reduce((sum, { size }) => sum + size, 0);
  if (output.json) {
    output.jsonLine({
      message_type: 'export_plan',
      output: place.name,
      snapshots: snapshots.map(({ id }) => id),
      packs_taken_whole: whole.length,
      packs_taken_whole_bytes: wholeBytes,
      packs_taken_in_part: repack.length,
      packs_taken_in_part_bytes: repackBytes,
      foreign_bytes: foreignBytes,
      journal_sources: journalSources,
      journal_objects: journal.length,
      journal_bytes: journalBytes,
      expected_bytes: bytes,
      volume_bytes: place.volumeBytes,
    });
    return;
  }
  output.info(`export ${plural(snapshots.length, 'snapshot')} to ${place.name}`);
  output.info(`  taken as they are    ${plural(whole.length, 'pack')}, ${formatBytes(wholeBytes)}`);
  if (foreignBytes > 0)
    output.info(`    of which           ${formatBytes(foreignBytes)} belong to no snapshot of the export`);
  if (repack.length > 0)
    output.info(
      `  taken in part        ${formatBytes(repackBytes)} of ${plural(repack.length, 'pack')}; the rest belongs to no snapshot of the export`,
    );
  if (journal.length > 0)
    output.info(
      `  journals             ${plural(journal.length, 'object')} of ${journalSources.join(', ')}, ${formatBytes(journalBytes)}`,
    );
  const volumes =
    place.volumeBytes === null
      ? 'one volume'
      : `about ${plural(Math.max(1, Math.ceil(bytes / place.volumeBytes)), 'volume')} of at most ${formatBytes(place.volumeBytes)}`;
  output.info(`  in all               about ${formatBytes(bytes)} in ${volumes}`);
}

export function printExportReport(
  output: Output,
  report: ExportReport,
  isStream: boolean,
  repository?: string,
): void {
  const { set, snapshots, totals, wholePacks, newPacks, volumes, bytes } = report;
  if (output.json) {
    output.jsonLine({
      message_type: 'summary',
      set,
      snapshots,
      files: totals.files,
      packs_taken_whole: wholePacks,
      packs_written: newPacks,
      volumes: volumes.map((volume, at) => ({ number: at + 1, name: volume.name, bytes: volume.bytes })),
      total_bytes: bytes,
    });
    return;
  }
  const inVolumes = plural(volumes.length, 'volume');
  output.info(
    `exported ${plural(snapshots.length, 'snapshot')} with ${plural(totals.files.data, 'pack')}: ${formatBytes(bytes)} in ${inVolumes} (set ${set.slice(0, 8)})`,
  );
  for (const volume of volumes) output.info(`  ${volume.name}  ${formatBytes(volume.bytes)}`);
  if (isStream) return;
  output.info(
    `read it back with: lifeboat ${repository ? `-r ${quoted(repository)} ` : ''}import --verify-only ${volumes.map(({ name }) => quoted(name)).join(' ')}`,
  );
}
