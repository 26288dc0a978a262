import { formatLsn, type Lsn, type Timeline } from '../../../model/wal.ts';

/** Where PostgreSQL is told to end (documentation, "Recovery Target"). */
export type StopAt =
  /** All of the log. */
  | { readonly kind: 'end-of-log' }
  | { readonly kind: 'immediate' }
  /** As PostgreSQL reads times, with a zone. */
  | { readonly kind: 'time'; readonly time: string }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'xid'; readonly xid: bigint }
  | { readonly kind: 'name'; readonly name: string };

export interface RecoverySettings {
  readonly stopAt: StopAt;
  readonly inclusive: boolean;
  readonly timeline: Timeline;
  readonly restoreCommand: string;
  /** A standby goes on to follow its primary and has no target. */
  readonly standby: boolean;
}

const targets = ['', '_time', '_lsn', '_xid', '_name'];

function targetSetting(stopAt: StopAt): readonly [string, string] | null {
  switch (stopAt.kind) {
    case 'end-of-log':
      return null;
    case 'immediate':
      return ['recovery_target', 'immediate'];
    case 'time':
      return ['recovery_target_time', stopAt.time];
    case 'lsn':
      return ['recovery_target_lsn', formatLsn(stopAt.lsn)];
    case 'xid':
      return ['recovery_target_xid', String(stopAt.xid)];
    case 'name':
      return ['recovery_target_name', stopAt.name];
  }
}

/**
 * Lines for postgresql.auto.conf. Other targets are emptied first, as postgresql.conf may name one; the one that
 * counts comes last, since PostgreSQL refuses a second one behind it (assign_recovery_target).
 */
export function recoverySettingLines(settings: RecoverySettings): [string, string][] {
  const lines: [string, string][] = [['restore_command', settings.restoreCommand]];
  if (settings.standby) return [...lines, ['recovery_target_timeline', 'latest']];
  const target = targetSetting(settings.stopAt);
  for (const suffix of targets) {
    const name = `recovery_target${suffix}`;
    if (name !== target?.[0]) lines.push([name, '']);
  }
  lines.push(['recovery_target_timeline', String(settings.timeline)], ['recovery_target_action', 'promote']);
  if (target) lines.push(['recovery_target_inclusive', settings.inclusive ? 'on' : 'off'], [...target]);
  return lines;
}
