import { LifeboatError } from '../../core/errors.ts';
import { loadNamedSnapshot, treeOfSnapshot } from '../../engine/look/find-snapshot.ts';
import { collectUsedBlobs } from '../../engine/walk/used-blobs.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import type { FileKind } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import { defineCommand } from '../command.ts';
import { openSession, withRepository } from '../session.ts';

const kinds = ['blobs', 'packs', 'index', 'snapshots', 'keys', 'locks'] as const;
type Kind = (typeof kinds)[number];

export const command = defineCommand({
  name: 'list',
  usage: 'list blobs | packs [SNAPSHOT] | index | snapshots | keys | locks',
  description: `
    Lists the IDs of what the repository is made of, one a line; blobs with their type. With a snapshot, only
    the packs that are needed to restore it.`,
  positionals: { min: 1, max: 2 },
  options: {},
  examples: [
    { command: 'lifeboat list locks', explains: 'works while the repository is locked' },
    { command: 'lifeboat list packs latest', explains: 'the packs that hold the newest snapshot' },
  ],
  async run(context) {
    const { args, output } = context;
    const kind = kinds.find((one) => one === args[0]);
    if (kind === undefined)
      throw new LifeboatError(
        'usage',
        `cannot list ${JSON.stringify(args[0])}; expected ${kinds.join(', ')}`,
      );
    const snapshot = args[1];
    if (snapshot !== undefined && kind !== 'packs')
      throw new LifeboatError('usage', `list ${kind} takes no snapshot; only list packs does`);
    const print = async (repository: Repository, signal: AbortSignal): Promise<void> => {
      for (const line of await linesOf(repository, kind, snapshot, signal)) output.line(line);
    };
    // A lock of its own would be one of the locks to list.
    if (kind === 'locks') await print(await openSession(context), context.signal);
    else await withRepository(context, 'shared', print);
    return 0;
  },
});

async function linesOf(
  repository: Repository,
  kind: Kind,
  snapshot: string | undefined,
  signal: AbortSignal,
): Promise<Iterable<string>> {
  if (kind === 'blobs') return blobLines(repository);
  if (snapshot !== undefined) return packsOfSnapshot(repository, snapshot, signal);
  const fileKind: FileKind = kind === 'packs' ? 'data' : kind;
  return (await listFiles(repository.storage, fileKind)).map(({ id }) => id).sort();
}

async function blobLines(repository: Repository): Promise<Iterable<string>> {
  const index = await loadIndex(repository);
  return (function* () {
    for (let entry = 0; entry < index.table.count(); entry++) {
      const { type, id } = index.blobAt(entry);
      yield `${type} ${id}`;
    }
  })();
}

async function packsOfSnapshot(
  repository: Repository,
  name: string,
  signal: AbortSignal,
): Promise<Iterable<string>> {
  const { snapshot } = await loadNamedSnapshot(repository, name);
  const index = await loadIndex(repository);
  const used = collectUsedBlobs(openBlobReader(repository, index), index);
  await used.add(treeOfSnapshot(snapshot), signal);
  const packs = new Set<string>();
  for (const entry of used.entries()) {
    const { type, id } = index.blobAt(entry);
    for (const { packId } of index.findAll(type, id)) packs.add(packId);
  }
  return [...packs].sort();
}
