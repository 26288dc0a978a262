import { type ExportManifest, openContents } from '../engine/export/manifest.ts';
import { manifestName } from '../engine/export/names.ts';
import type { ImportMode, ImportReport } from '../engine/import/import.ts';
import type { VolumeLook } from '../engine/import/look.ts';
import { shortId } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import type { Repository } from '../repository/repository.ts';
import { describeSnapshot } from './describe-snapshot.ts';
import { formatBytes, formatLocalTime, plural } from './format.ts';
import { formatSnapshotTable } from './snapshot-table.ts';
import type { Output } from './terminal.ts';
import { printable } from './text-width.ts';

/** What `import` says, for people and for programs. */

const heading = ({ set, created, program }: ExportManifest): string =>
  `export ${set.slice(0, 8)} of ${formatLocalTime(created)}, by ${printable(program)}`;

const howItGoes: Readonly<Record<ImportMode, string>> = {
  verbatim: 'it has the key of this repository: packs are stored as they are',
  're-encrypted': 'it has another key than this repository: data is encrypted anew',
  verified: 'it is only read and verified',
};

export function printStart(output: Output, manifest: ExportManifest, mode: ImportMode): void {
  const { expected, snapshots } = manifest;
  output.info(heading(manifest));
  output.info(
    `  ${plural(snapshots.length, 'snapshot')}, ${plural(expected.packs, 'pack')}, about ${formatBytes(expected.bytes)}; ${howItGoes[mode]}`,
  );
}

export function printImportReport(output: Output, report: ImportReport): void {
  const { mode, set, volumes, bytes, packs, packsStored, bytesStored, snapshots, imported, skipped } = report;
  const { journalSources, journalPieces } = report;
  if (output.json) {
    const pair = ({ source, id }: ImportReport['imported'][number]): Record<string, string> => ({
      source_snapshot_id: source.id,
      snapshot_id: id,
    });
    output.jsonLine({
      message_type: 'summary',
      mode: mode === 're-encrypted' ? 're_encrypted' : mode,
      set,
      volumes,
      files_bytes: bytes,
      packs,
      packs_stored: packsStored,
      bytes_stored: bytesStored,
      snapshots: snapshots.map(({ id }) => id),
      imported: imported.map(pair),
      skipped: skipped.map(pair),
      journal_sources: journalSources,
      journal_pieces: journalPieces,
    });
    return;
  }
  const whole = `${plural(snapshots.length, 'snapshot')}, ${plural(packs, 'pack')}, ${formatBytes(bytes)} in ${plural(volumes, 'volume')}`;
  if (mode === 'verified') {
    output.info(`the export is complete and sound: ${whole}`);
    if (journalSources.length > 0) output.info(`it has the journals of ${journalSources.join(', ')}`);
    return;
  }
  for (const { source, id } of skipped) {
    output.verbose(describeSnapshot(source));
    output.verbose(`  was here already, as ${shortId(id)}`);
  }
  for (const { source, id } of imported) {
    output.info(describeSnapshot(source));
    output.info(source.id === id ? '  imported' : `  imported as ${shortId(id)}`);
  }
  const there = skipped.length > 0 ? `, ${skipped.length} were here already` : '';
  output.info(`imported ${plural(imported.length, 'snapshot')}${there}; the export is complete and sound`);
  output.info(`  ${plural(packsStored, 'pack')} stored, ${formatBytes(bytesStored)}, of ${whole}`);
  if (journalSources.length > 0)
    output.info(`  ${plural(journalPieces, 'piece')} of the journals of ${journalSources.join(', ')} stored`);
}

/** @param repository opened with the export's password, where that is known: then hosts and paths are told as well. */
export function printLook(
  output: Output,
  look: VolumeLook,
  repository: Repository | null,
  env: Readonly<Record<string, string | undefined>>,
): void {
  const { name, head, start } = look;
  const opened =
    start && repository ? openContents(repository, start.manifest, manifestName).snapshots : null;
  if (output.json) {
    output.jsonLine({
      message_type: 'volume',
      name,
      set: head.set,
      number: head.volume,
      ...(start ? manifestJson(start.manifest, opened) : {}),
    });
    return;
  }
  output.line(`${printable(name)}: volume ${head.volume} of export ${head.set.slice(0, 8)}`);
  if (!start) return;
  const { manifest } = start;
  const { expected, volumeBytes, snapshots } = manifest;
  output.line(heading(manifest));
  const volumes = volumeBytes === null ? 'one volume' : `volumes of at most ${formatBytes(volumeBytes)}`;
  output.line(
    `  ${plural(snapshots.length, 'snapshot')}, ${plural(expected.packs, 'pack')}, about ${formatBytes(expected.bytes)} in ${volumes}`,
  );
  if (expected.journalObjects > 0) output.line(`  journals: ${formatBytes(expected.journalBytes)}`);
  if (opened) for (const line of formatSnapshotTable(opened, env)) output.line(line);
  else {
    for (const id of snapshots) output.line(`  snapshot ${shortId(id)}`);
    output.info('with --from-password-file it also tells their hosts and paths');
  }
}

function manifestJson(
  { created, program, expected, volumeBytes, snapshots }: ExportManifest,
  opened: readonly StoredSnapshot[] | null,
): Record<string, unknown> {
  return {
    created,
    program,
    volume_bytes: volumeBytes,
    expected_packs: expected.packs,
    expected_bytes: expected.bytes,
    journal_objects: expected.journalObjects,
    journal_bytes: expected.journalBytes,
    snapshots:
      opened?.map(({ id, time, hostname, paths, tags }) => ({ id, time, hostname, paths, tags })) ??
      snapshots.map((id) => ({ id })),
  };
}
