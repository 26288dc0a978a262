import type { WalAlarm, WalSink } from '../../../model/wal-event.ts';

/** The alarms that stand, each told once when it begins and once when it ends. */
export interface Alarms {
  raise(alarm: WalAlarm): void;
  clear(kind: WalAlarm['kind']): void;
  /** Of these kinds only the ones given stand now. */
  replace(kinds: readonly WalAlarm['kind'][], alarms: readonly WalAlarm[]): void;
  standing(): readonly WalAlarm[];
}

export function createAlarms(sink: WalSink): Alarms {
  const standing = new Map<WalAlarm['kind'], WalAlarm>();

  /** What makes an alarm another one, beside figures that change all the time. */
  const essence = (alarm: WalAlarm | undefined): string =>
    alarm === undefined ? '' : alarm.kind === 'slot-status' ? alarm.status : alarm.kind;

  const alarms: Alarms = {
    raise(alarm) {
      const before = standing.get(alarm.kind);
      standing.set(alarm.kind, alarm);
      if (essence(before) !== essence(alarm) || alarm.kind === 'gap') sink({ kind: 'alarm', alarm });
    },
    clear(kind) {
      if (standing.delete(kind)) sink({ kind: 'alarm-cleared', alarm: kind });
    },
    replace(kinds, now) {
      for (const kind of kinds) if (now.every((alarm) => alarm.kind !== kind)) alarms.clear(kind);
      for (const alarm of now) alarms.raise(alarm);
    },
    standing: () => [...standing.values()],
  };
  return alarms;
}
