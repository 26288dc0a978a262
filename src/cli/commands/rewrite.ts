import { toText } from '../../core/bytestring.ts';
import { LifeboatError } from '../../core/errors.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import {
  idsOnly,
  looksIntoTrees,
  planRewrite,
  type RewriteEvents,
  type RewriteRequest,
} from '../../engine/rewrite/rewrite-snapshot.ts';
import { shortId } from '../../model/id.ts';
import type { Snapshot, StoredSnapshot } from '../../model/snapshot.ts';
import { formatTime, parseHumanTime } from '../../model/time.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import { type BlobStore, openBlobStore } from '../../repository/blob-store.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import type { Repository } from '../../repository/repository.ts';
import { refuseIfHeld, removeSnapshot, saveSnapshot } from '../../repository/snapshots.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { describeSnapshot, goTime } from '../describe-snapshot.ts';
import { excludeFilters, excludeOptions } from '../exclude-options.ts';
import { includeFilters, includeOptions } from '../include-options.ts';
import { flag, text, value } from '../options.ts';
import { openSession, withRepository } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';
import type { Output } from '../terminal.ts';

export const command = defineCommand({
  name: 'rewrite',
  usage: 'rewrite [OPTION]... [SNAPSHOT]...',
  description: `
    Makes new snapshots from those named, or from all that the filter lets through: without the files that
    match a pattern, or with another host or time. The new ones get the tag \`rewrite\`; with --forget they
    take the place of the old ones instead.

    The data of files that are left out stays in the repository until \`lifeboat prune\`.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    forget: flag({ help: 'remove the old snapshots once the new ones are saved' }),
    'dry-run': flag({ short: 'n', help: 'only print what would be done' }),
    'new-host': text({ placeholder: 'HOST', help: 'the host that the new snapshots name' }),
    'new-time': value({
      placeholder: 'TIME',
      help: 'the time that the new snapshots name, such as "2026-11-20 14:03:11"',
      parse: parseNewTime,
    }),
    'snapshot-summary': flag({ short: 's', help: 'count the files and bytes of snapshots that do not say' }),
    ...snapshotFilterOptions,
    ...excludeOptions,
    ...includeOptions,
  },
  examples: [
    {
      command: 'lifeboat rewrite --exclude secret.txt --forget',
      explains: 'take a file out of all snapshots; then prune',
    },
    { command: 'lifeboat rewrite --new-host db2 --host db1', explains: 'copies that name another host' },
  ],
  run,
});

type Context = CommandContext & { readonly options: Parameters<typeof requestOf>[0] };

/** Local time, whatever zone was typed. @throws Error saying what was expected. */
function parseNewTime(typed: string): string {
  const instant = parseHumanTime(typed);
  if (!instant) throw new Error('expected a time such as "2026-11-20 14:03:11"');
  return formatTime(instant.seconds, instant.nanoseconds);
}

function requestOf(
  options: Parameters<typeof excludeFilters>[0] &
    Parameters<typeof includeFilters>[0] &
    Parameters<typeof snapshotFilterOf>[0] & {
      readonly forget: boolean;
      readonly dryRun: boolean;
      readonly newHost: string | undefined;
      readonly newTime: string | undefined;
      readonly snapshotSummary: boolean;
    },
  env: CommandContext['env'],
): RewriteRequest {
  const request: RewriteRequest = {
    exclude: excludeFilters(options, env).filter(({ isEmpty }) => !isEmpty),
    include: includeFilters(options, env).filter(({ isEmpty }) => !isEmpty),
    host: options.newHost || null,
    time: options.newTime ?? null,
    summarise: options.snapshotSummary,
    addTag: options.forget ? null : 'rewrite',
  };
  if (!looksIntoTrees(request) && request.host === null && request.time === null)
    throw new LifeboatError('usage', 'nothing to do: no excludes, includes or new metadata were given');
  if (request.exclude.length > 0 && request.include.length > 0)
    throw new LifeboatError('usage', 'exclude and include patterns exclude each other');
  return request;
}

async function run(context: Context): Promise<number> {
  const { options, output, signal: interrupted } = context;
  const { dryRun } = options;
  const request = requestOf(options, context.env);
  if (options.forget) output.info('create exclusive lock for repository');
  const work = (repository: Repository, signal: AbortSignal): Promise<number> =>
    rewriteAll(context, repository, request, signal);
  // As in restic, a dry run takes no lock: it cannot write.
  const changed = dryRun
    ? await work(await openSession(context, true), interrupted)
    : await withRepository(context, options.forget ? 'exclusive' : 'shared', work);
  if (output.json) output.jsonLine({ message_type: 'summary', changed_snapshots: changed });
  const verb = dryRun ? 'would be modified' : 'were modified';
  const did = dryRun ? 'would modify' : 'modified';
  output.info(changed === 0 ? `\nno snapshots ${verb}` : `\n${did} ${changed} snapshots`);
  return 0;
}

/** Returns how many snapshots changed. */
async function rewriteAll(
  { options, args, output, global }: Context,
  repository: Repository,
  request: RewriteRequest,
  signal: AbortSignal,
): Promise<number> {
  const snapshots = await loadSnapshots(repository, args, snapshotFilterOf(options));
  const index = looksIntoTrees(request) ? await loadIndex(repository) : null;
  const store: BlobStore | null =
    index && !options.dryRun
      ? openBlobStore(repository, index, {
          compression: global.compression as Compression,
          ...(global.packBytes === undefined ? {} : { packBytes: global.packBytes }),
        })
      : null;
  const trees = index && { reader: openBlobReader(repository, index), saver: store ?? idsOnly };
  const events: RewriteEvents = {
    onExclude: (path) => output.veryVerbose(`excluding ${JSON.stringify(toText(path))}`),
    onInclude: (path, isFolder) =>
      output.veryVerbose(`including ${isFolder ? 'directory ' : ''}${JSON.stringify(toText(path))}`),
  };
  let changed = 0;
  try {
    for (const snapshot of snapshots) {
      signal.throwIfAborted();
      output.info(`\n${describeSnapshot(snapshot)}`);
      const plan = await planRewrite(snapshot, request, trees, signal, events);
      if (plan.kind === 'unchanged') continue;
      changed++;
      await store?.finish();
      const made = plan.kind === 'empty' ? null : plan.snapshot;
      if (options.dryRun) tellPlan(output, made, request, options.forget);
      else await replace(output, repository, snapshot, made, request, options.forget);
    }
  } finally {
    await store?.close();
  }
  return changed;
}

function tellPlan(output: Output, made: Snapshot | null, request: RewriteRequest, forget: boolean): void {
  if (!made) {
    output.info('would delete empty snapshot');
    return;
  }
  output.info('would save new snapshot');
  if (forget) output.info('would remove old snapshot');
  if (request.time !== null) output.info(`would set time to ${goTime(request.time)}`);
  if (request.host !== null) output.info(`would set hostname to ${request.host}`);
}

async function replace(
  output: Output,
  repository: Repository,
  old: StoredSnapshot,
  made: Snapshot | null,
  request: RewriteRequest,
  forget: boolean,
): Promise<void> {
  if (!made) {
    await removeSnapshot(repository, old.id);
    output.info(`removed empty snapshot ${shortId(old.id)}`);
    return;
  }
  if (request.time !== null) output.info(`setting time to ${goTime(request.time)}`);
  if (request.host !== null) output.info(`setting host to ${request.host}`);
  if (forget) await refuseIfHeld(repository, old.id);
  const id = await saveSnapshot(repository, made);
  if (output.json) output.jsonLine({ message_type: 'changed', old_snapshot_id: old.id, new_snapshot_id: id });
  output.info(`saved new snapshot ${shortId(id)}`);
  if (!forget) return;
  await removeSnapshot(repository, old.id);
  output.info(`removed old snapshot ${shortId(old.id)}`);
}
