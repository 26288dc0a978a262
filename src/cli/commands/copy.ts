import { copySnapshots } from '../../engine/copy/copy.ts';
import { selectForCopy } from '../../engine/copy/select.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { shortId } from '../../model/id.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { describeSnapshot } from '../describe-snapshot.ts';
import { formatBytes } from '../format.ts';
import { fromOptions, openFromRepository } from '../from-repository.ts';
import { type Counter, showCounter } from '../progress.ts';
import { openSession, withSessionLock } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';

export const command = defineCommand({
  name: 'copy',
  usage: 'copy [OPTION]... [SNAPSHOT]...',
  description: `
    Copies snapshots from another repository into this one: those named, or all that the filter lets through.
    What was copied before is left out, and so is data that this repository has already.

    Both repositories should cut files at the same places, or data that both hold is stored twice: make this
    one with \`lifeboat init --from-repo LOCATION --copy-chunker-params\`.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: { ...fromOptions, ...snapshotFilterOptions },
  examples: [
    { command: 'lifeboat copy --from-repo /srv/backup', explains: 'copy all snapshots' },
    {
      command: 'lifeboat copy --from-repo /srv/backup --tag keep latest',
      explains: 'only the latest with this tag',
    },
  ],
  async run(context) {
    const { options, args, signal: interrupted } = context;
    const filter = snapshotFilterOf(options);
    const source = await openFromRepository(context, options);
    warmThreads();
    const destination = await openSession(context);
    // A lock on the destination is what keeps its blobs from being pruned meanwhile: --no-lock is not for it.
    const locked = { ...context, global: { ...context.global, noLock: false } };
    return withSessionLock(context, source, 'shared', (sourceSignal) =>
      withSessionLock(locked, destination, 'shared', async (destinationSignal) => {
        const there = await loadSnapshots(destination, [], filter);
        const { copy, skip } = selectForCopy(await loadSnapshots(source, args, filter), there);
        const { output } = context;
        for (const { source: snapshot, copied } of skip) {
          output.verbose(`\n${describeSnapshot(snapshot)}`);
          output.verbose(
            `skipping source snapshot ${shortId(snapshot.id)}, was already copied to snapshot ${shortId(copied.id)}`,
          );
        }
        const signal = AbortSignal.any([interrupted, sourceSignal, destinationSignal]);
        if (copy.length > 0) await copyAll(context, source, destination, copy, signal);
        if (output.json)
          output.jsonLine({
            message_type: 'summary',
            copied_snapshots: copy.length,
            skipped_snapshots: skip.length,
          });
        return 0;
      }),
    );
  },
});

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
