import { type WalStatus, walServiceSocket } from '../../app/wal-service.ts';
import { journalPlaces } from '../../engine/journal/journal-places.ts';
import { askLocally } from '../../engine/journal/push/hand-over.ts';
import { findRunFolders } from '../../engine/journal/push/run-folder.ts';
import { type StoredEnd, storedEnds } from '../../engine/journal/stored-ends.ts';
import { formatLsn } from '../../model/wal.ts';
import type { CommandContext } from '../command.ts';
import { defineCommand } from '../command.ts';
import { requireConfiguration } from '../configured.ts';
import { formatBytes, formatDuration, formatZonedTime, plural } from '../format.ts';
import type { Output } from '../terminal.ts';
import { describeAlarm, eventJson, walStatusLine } from '../wal-printer.ts';
import { journaledSources, openRepositories, walSourceOptions } from '../wal-source.ts';

export const command = defineCommand({
  name: 'status',
  usage: 'status [OPTION]...',
  description: `
    Shows, for each source with a journal, how far its log is stored in each repository, and what the process that
    receives it on this machine says: lag, replication slot, alarms.`,
  opensRepository: false,
  options: walSourceOptions,
  exitStatuses: { 3: 'no process runs for a source, or it has an alarm' },
  examples: [{ command: 'lifeboat wal status --json', explains: 'for monitoring' }],
  async run(context) {
    const configuration = await requireConfiguration(context);
    let allWell = true;
    for (const found of journaledSources(configuration, context.options.source)) {
      const { name } = found.source;
      const status = await askProcess(context, configuration.path, name);
      const { places, close } = journalPlaces(await openRepositories(context, configuration, found));
      const ends: StoredEnd[] = [];
      try {
        for (const place of places) ends.push(...(await storedEnds(place, name)));
      } finally {
        await close();
      }
      if (status === null || (status.receiver?.alarms.length ?? 0) + status.refused.length > 0)
        allWell = false;
      if (context.output.json) {
        context.output.jsonLine({
          ...eventJson({ kind: 'wal-status', stored: ends } as object as { kind: string }),
          source: name,
          process: status,
        });
      } else print(context.output, name, status, ends);
    }
    return allWell ? 0 : 3;
  },
});

async function askProcess(
  { env }: Pick<CommandContext, 'env'>,
  configPath: string,
  source: string,
): Promise<WalStatus | null> {
  for (const folder of await findRunFolders(env)) {
    const answer = await askLocally(walServiceSocket(folder, configPath, source), { version: 1 });
    // A process of an earlier version says less.
    if (answer) return { refused: [], ...answer } as unknown as WalStatus;
  }
  return null;
}

function print(output: Output, name: string, status: WalStatus | null, ends: readonly StoredEnd[]): void {
  output.line(output.style('bold', name));
  if (status === null) {
    output.line(`  ${output.style('yellow', 'no process runs')}: start \`lifeboat wal receive\``);
  } else {
    output.line(`  process ${status.pid}: ${walStatusLine(status)}`);
    if (status.dataDirectory) output.line(`  archived files of ${status.dataDirectory} are taken over`);
    const { slot, alarms } = status.receiver ?? { slot: null, alarms: [] };
    if (slot) {
      const held = slot.behindBytes === null ? '' : `, holds ${formatBytes(Math.max(0, slot.behindBytes))}`;
      output.line(`  slot: ${slot.status ?? 'unknown'}${held}`);
    }
    for (const { name: file, reason } of status.refused)
      output.line(`  ${output.style('red', 'not archived')}: ${file}: ${reason}`);
    for (const alarm of alarms) output.line(`  ${output.style('red', 'alarm')}: ${alarmText(alarm)}`);
  }
  if (ends.length === 0) output.line('  nothing is stored yet');
  for (const { place, stream, timeline, end, gaps, newestMs } of ends) {
    const age =
      newestMs === null
        ? ''
        : `, ${formatZonedTime(newestMs, false)} (${formatDuration(Math.max(0, Date.now() - newestMs))} ago)`;
    const holes = gaps > 0 ? `, ${output.style('yellow', plural(gaps, 'gap'))}` : '';
    output.line(`  ${place}: cluster ${stream}, timeline ${timeline} up to ${formatLsn(end)}${age}${holes}`);
  }
}

/** Of a process, whose positions are text by now. */
function alarmText(alarm: NonNullable<WalStatus['receiver']>['alarms'][number]): string {
  if (alarm.kind !== 'gap') return describeAlarm(alarm);
  const { timeline, start, end } = alarm.missing;
  return `wal-gap: the log from ${start} to ${end} (timeline ${timeline}) is lost; take a new backup to close the gap`;
}
