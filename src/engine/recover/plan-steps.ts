import { formatLsn } from '../../model/wal.ts';
import type { StopAt } from '../../sources/postgres/recovery/recovery-settings.ts';
import type { RecoveryChoice, RecoveryRequest } from './choose.ts';
import type { PlanInput, RecoveryPlan } from './plan.ts';
import { formatPostgresTime } from './zoned-time.ts';

/** What PostgreSQL is told, and what is done one after the other. */

export function stopAtOf(request: RecoveryRequest, choice: RecoveryChoice): StopAt {
  const { target } = request;
  if (choice.ends === 'end-of-log' || target.kind === 'latest') return { kind: 'end-of-log' };
  return target.kind === 'time'
    ? { kind: 'time', time: formatPostgresTime(target.time.microseconds) }
    : target;
}

/** Settings that tell PostgreSQL where to end, as they are shown. */
export function settingsShown(input: PlanInput): [string, string][] {
  const { request, choice, standby } = input;
  const stopAt = stopAtOf(request, choice);
  const timeline = choice.legs[choice.legs.length - 1]!.timeline;
  if (standby) return [['recovery_target_timeline', 'latest']];
  const target: [string, string][] =
    stopAt.kind === 'end-of-log'
      ? []
      : stopAt.kind === 'immediate'
        ? [['recovery_target', 'immediate']]
        : [
            [
              `recovery_target_${stopAt.kind}`,
              stopAt.kind === 'time'
                ? stopAt.time
                : stopAt.kind === 'lsn'
                  ? formatLsn(stopAt.lsn)
                  : stopAt.kind === 'xid'
                    ? String(stopAt.xid)
                    : stopAt.name,
            ],
            ['recovery_target_inclusive', request.inclusive ? 'on' : 'off'],
          ];
  return [...target, ['recovery_target_timeline', String(timeline)]];
}

export function stepsOf(input: PlanInput, mode: RecoveryPlan['mode'], tablespaces: number): string[] {
  const { start, standby, amcheck, stopServer, configuration } = input;
  const { kind, bring } = configuration;
  const what = tablespaces > 0 ? `data directory and ${tablespaces} tablespaces` : 'data directory';
  return [
    ...(stopServer ? ['stop the server that runs there'] : []),
    ...(mode === 'fresh' ? [] : ['take pg_control away, so that the half restored cluster cannot start']),
    mode === 'fresh'
      ? `fetch the ${what}`
      : `compare the ${what}, fetch what differs, remove what is too much`,
    ...(bring.length === 0
      ? []
      : [
          kind === 'adapted'
            ? 'write the configuration of the backup into the data directory'
            : 'put back configuration files that are gone',
        ]),
    `write the recovery's settings and ${standby ? 'standby.signal' : 'recovery.signal'}`,
    ...(start ? [] : ['fetch the log']),
    'put pg_control in place',
    ...(start
      ? [
          'start a server that only this program can reach, and feed it the log',
          'verify that the recovery ended where it was asked to',
          ...(amcheck ? ['check tables and indexes with pg_amcheck'] : []),
          'start the server with its own settings and ask whether it accepts connections',
        ]
      : ['leave it to you to start the server']),
  ];
}
