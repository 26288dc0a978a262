import { LifeboatError } from '../../../core/errors.ts';
import { type Lsn, parseLsn, type Timeline } from '../../../model/wal.ts';

/** What pg_backup_stop and BASE_BACKUP write into backup_label (xlogbackup.c, build_backup_content). */
export interface BackupLabel {
  readonly start: Lsn;
  readonly timeline: Timeline;
  readonly fromStandby: boolean;
}

/** @throws LifeboatError `source-unreadable` for what is no label. */
export function parseBackupLabel(text: string): BackupLabel {
  const start = parseLsn(/^START WAL LOCATION: (\S+) /m.exec(text)?.[1] ?? '');
  const timeline = Number(/^START TIMELINE: (\d+)$/m.exec(text)?.[1]);
  const from = /^BACKUP FROM: (\w+)$/m.exec(text)?.[1];
  if (start === null || !Number.isInteger(timeline) || from === undefined)
    throw new LifeboatError('source-unreadable', 'the server gave a backup_label that cannot be understood');
  return { start, timeline, fromStandby: from === 'standby' };
}
