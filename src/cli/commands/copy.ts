import { provingAccess } from '../../app/proving-access.ts';
import { LifeboatError } from '../../core/errors.ts';
import { copySnapshots } from '../../engine/copy/copy.ts';
import { selectForCopy } from '../../engine/copy/select.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { shortId } from '../../model/id.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { optionalConfiguration } from '../configured.ts';
import { type CopyContext, copyOptions } from '../copy-options.ts';
import { describeSnapshot } from '../describe-snapshot.ts';
import { formatBytes } from '../format.ts';
import { fromOpening } from '../from-repository.ts';
import { type Counter, showCounter } from '../progress.ts';
import { retainIfDue } from '../retain-if-due.ts';
import { openSession } from '../session.ts';
import { withSharedLocks } from '../shared-locks.ts';
import { snapshotFilterOf } from '../snapshot-options.ts';

export const command = defineCommand({
  name: 'copy',
  usage: 'copy [OPTION]... [SNAPSHOT]...',
  description: `
    Copies snapshots to further repositories. What was copied before is left out, and so is data that a target has
    already; a copy that was stopped goes on from there.

    With --from and --to, or without any name as \`copies\` of the configuration says: several repositories at once,
    each source read once for all its targets, and the log of databases along with their snapshots. A target that
    fails does not keep the others from getting theirs.

    With --from-repo: the snapshots named, or all that the filter lets through, from that repository into this one,
    as restic does. Both should cut files at the same places, or data that both hold is stored twice: make the new
    one with \`lifeboat init --from-repo LOCATION --copy-chunker-params\`.

    Nothing counts as stored before the target has proven it: with --verify list each pack, index, snapshot and
    piece of log is there with its size, the content of indexes and snapshots is compared, and that of the first
    and then each fiftieth pack and piece of log; with --verify read the content of all. That proves what the
    target answers now, not what its disk will say tomorrow: \`lifeboat check\` does that.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: copyOptions,
  exitStatuses: { 3: 'not everything was copied' },
  documentation: 'copies.md',
  examples: [
    { command: 'lifeboat copy', explains: 'as the configuration says' },
    { command: 'lifeboat copy --to usb --when-mounted --wait 1h', explains: 'to a disk, once it is there' },
    { command: 'lifeboat copy --from offsite --to local', explains: 'bring everything back' },
    { command: 'lifeboat copy --from-repo /srv/backup', explains: 'all snapshots of another repository' },
  ],
  async run(context) {
    if (await isNamed(context)) {
      const { copyNamed } = await import('../copy-named.ts');
      return copyNamed(context);
    }
    return copyFromRepository(context);
  },
});

/** Whether it is about names of the configuration. @throws LifeboatError `usage` where it is about both. */
async function isNamed(context: CopyContext): Promise<boolean> {
  const { options, global } = context;
  const { from, to, source, whenMounted, wait, dryRun } = options;
  const named = {
    from: from.length > 0,
    to: to.length > 0,
    source: source.length > 0,
    'when-mounted': whenMounted,
  };
  const given = Object.entries(named).flatMap(([name, isGiven]) => (isGiven ? [`--${name}`] : []));
  const fromRepo = options.fromRepo ?? options.fromRepositoryFile;
  if (wait !== undefined && !whenMounted)
    throw new LifeboatError('usage', '--wait is for --when-mounted, which was not given');
  if (fromRepo !== undefined && (given.length > 0 || dryRun))
    throw new LifeboatError('usage', `--from-repo and ${given[0] ?? '--dry-run'} exclude each other`, {
      hint: '--from and --to name repositories of the configuration; --from-repo (or RESTIC_FROM_REPOSITORY) a location',
    });
  if (given.length > 0) return true;
  // A repository that is given is where copies go to, and then it has to be said where they come from.
  if (fromRepo !== undefined || global.repository || global.repositoryFile) return false;
  return (await optionalConfiguration(context)) !== null;
}

async function copyFromRepository(context: CopyContext): Promise<number> {
  const { options, args, output } = context;
  const filter = snapshotFilterOf(options);
  const openSource = await fromOpening(context, options);
  warmThreads();
  // Deriving a key takes a while, and two can be derived at once.
  const opened = await Promise.allSettled([
    openSource(),
    openSession(context, false, (access) => provingAccess(access, options.verify).access),
  ]);
  for (const each of opened) if (each.status === 'rejected') throw each.reason;
  const [source, destination] = opened.map((each) => (each as PromiseFulfilledResult<Repository>).value) as [
    Repository,
    Repository,
  ];
  // A lock on the destination is what keeps its blobs from being pruned meanwhile: --no-lock is not for it.
  const toLock = [
    { repository: source, optional: true },
    { repository: destination, optional: false },
  ];
  return withSharedLocks(context, toLock, async (signal) => {
    const [all, there] = await Promise.all([
      loadSnapshots(source, args, filter),
      loadSnapshots(destination, [], filter),
    ]);
    const { copy, skip } = selectForCopy(all, there);
    for (const { source: snapshot, copied } of skip) {
      output.verbose(`\n${describeSnapshot(snapshot)}`);
      output.verbose(
        `skipping source snapshot ${shortId(snapshot.id)}, was already copied to snapshot ${shortId(copied.id)}`,
      );
    }
    if (copy.length > 0) await copyAll(context, source, destination, copy, signal);
    await retainIfDue(context, destination, signal);
    if (output.json)
      output.jsonLine({
        message_type: 'summary',
        copied_snapshots: copy.length,
        skipped_snapshots: skip.length,
      });
    return 0;
  });
}

async function copyAll(
  { output, env, global }: Pick<CommandContext, 'output' | 'env' | 'global'>,
  source: Repository,
  destination: Repository,
  snapshots: Parameters<typeof copySnapshots>[2],
  signal: AbortSignal,
): Promise<void> {
  let counter: Counter | undefined;
  try {
    await copySnapshots(source, destination, snapshots, {
      signal,
      compression: global.compression as Compression,
      ...(global.packBytes === undefined ? {} : { packBytes: global.packBytes }),
      events: {
        onSnapshot(snapshot, blobs, bytes, packs) {
          output.info(`\n${describeSnapshot(snapshot)}`);
          output.info('  copy started, this may take a while...');
          output.verbose(
            `  copy ${blobs} blobs with disk size ${formatBytes(bytes)} in ${packs} packfiles\n`,
          );
        },
        onPacks(total) {
          counter = showCounter(output, env, 'packs copied', total);
        },
        onPack: () => counter?.add(1),
        onPacksEnd: () => counter?.stop(),
        onSaved({ id }, copied) {
          if (output.json)
            output.jsonLine({ message_type: 'copied', source_snapshot_id: id, snapshot_id: copied });
          output.info(`snapshot ${shortId(copied)} saved, copied from source snapshot ${shortId(id)}`);
        },
      },
    });
  } finally {
    counter?.stop();
  }
}
