import type { CheckReport } from '../engine/check/report.ts';
import { formatBytes, plural } from './format.ts';

/** IDs of packs on one line of advice; the JSON summary has them all. */
const idsShownMax = 100;

/** What to type next, step by step; nothing where all is well. */
export function repairSteps(report: CheckReport): string[] {
  const { indexDamaged, damagedPacks, damagedSnapshots, affectedSnapshots, damagedKeys } = report;
  if (indexDamaged) return ['lifeboat repair index', 'lifeboat check'];
  const steps: string[] = [];
  if (damagedPacks.length > 0) {
    const more = damagedPacks.length > idsShownMax ? ' …' : '';
    steps.push(`lifeboat repair packs ${damagedPacks.slice(0, idsShownMax).join(' ')}${more}`);
  } else if (report.suggestRepairIndex || affectedSnapshots.length > 0) steps.push('lifeboat repair index');
  if (damagedPacks.length > 0 || affectedSnapshots.length > 0)
    steps.push('lifeboat repair snapshots --forget');
  if (damagedSnapshots.length > 0)
    steps.push(`lifeboat repair snapshots --forget ${damagedSnapshots.join(' ')}`);
  if (damagedKeys.length > 0)
    steps.push('lifeboat key add', ...damagedKeys.map((id) => `lifeboat key remove ${id}`));
  return steps;
}

/** The end of a check in plain words. */
/** @param keepsVersions of what is deleted and overwritten, as a bucket can. */
export function verdictLines(report: CheckReport, keepsVersions = false): string[] {
  const { errors, affectedSnapshots, snapshots, packs, packsRead, bytesRead } = report;
  if (errors === 0) {
    const read =
      packsRead === 0
        ? 'The content of packs was not read; --read-data does that.'
        : `${plural(packsRead, 'pack')} (${formatBytes(bytesRead)}) of ${packs} were read in full.`;
    return [
      '',
      `no errors were found in ${plural(snapshots, 'snapshot')} and ${plural(packs, 'pack')}.`,
      read,
    ];
  }
  const lines = ['', `The repository is damaged: ${plural(errors, 'error')} found.`];
  if (affectedSnapshots.length > 0)
    lines.push(
      `Parts are missing from ${affectedSnapshots.length} of ${plural(snapshots, 'snapshot')}: ${affectedSnapshots.map((id) => id.slice(0, 8)).join(' ')}`,
    );
  const steps = repairSteps(report);
  if (keepsVersions)
    lines.push(
      'The bucket keeps versions. Where something was deleted or overwritten there, bring it back first:',
      '  lifeboat repair undelete --since TIME --dry-run',
    );
  if (steps.length > 0)
    lines.push(
      'What can be saved is saved by these commands, in this order; copy the repository first if there is room:',
      ...steps.map((step) => `  ${step}`),
    );
  else lines.push('No command repairs this; check the disk and the system log, then run the check again.');
  return lines;
}
