import { open } from 'node:fs/promises';
import { LifeboatError } from '../../core/errors.ts';
import { blockBytes, entryHeader, readFields } from '../export/entry-header.ts';
import { archiveEndBytes } from '../export/export-writer.ts';
import { parseVolumeHead, type VolumeHead } from '../export/manifest.ts';
import { parseEntryName } from '../export/names.ts';
import { isPlainFile, openFileInput } from './byte-input.ts';

export interface VolumeFile {
  readonly path: string;
  /** Null where it can be read only once, as a tape or a pipe: it is looked at when its turn comes. */
  readonly head: VolumeHead | null;
}

export interface OrderedVolumes {
  readonly ordered: readonly string[];
  /** Whether all of them are files on a disk. */
  readonly canReadAgain: boolean;
}

/**
 * Puts files in the order of their volumes and tells which are missing, given twice or of another export: what can be told
 * before anything is read as a whole.
 *
 * @throws LifeboatError `export-incomplete`; `export-damaged` and `source-unreadable` for a file that is no volume.
 */
export async function orderVolumes(paths: readonly string[]): Promise<OrderedVolumes> {
  const files: VolumeFile[] = [];
  for (const path of paths) files.push(await readVolumeHead(path));
  const known = files.filter(({ head }) => head !== null);
  // Where some come from a tape only they themselves can tell what they are.
  if (known.length < files.length) return { ordered: [...paths], canReadAgain: false };
  const sorted = known
    .map(({ path, head }) => ({ path, head: head! }))
    .sort((a, b) => a.head.volume - b.head.volume);
  const problems = problemsOf(sorted);
  const [first] = problems;
  if (first !== undefined)
    throw new LifeboatError('export-incomplete', problems.length > 1 ? problems.join('; ') : first);
  const last = sorted.at(-1)!;
  if (!(await endsArchive(last.path)))
    throw new LifeboatError(
      'export-incomplete',
      `${last.path} is volume ${last.head.volume} of set ${last.head.set.slice(0, 8)}, and not the last one: volume ${last.head.volume + 1} is missing, or the end of this one`,
    );
  return { ordered: sorted.map(({ path }) => path), canReadAgain: true };
}

/** What is wrong with a set of volumes, in the order of their numbers. */
export function problemsOf(
  volumes: readonly { readonly path: string; readonly head: VolumeHead }[],
): string[] {
  const problems: string[] = [];
  const sets = new Map<string, string[]>();
  for (const { path, head } of volumes) sets.set(head.set, [...(sets.get(head.set) ?? []), path]);
  if (sets.size > 1) {
    const each = [...sets].map(([set, files]) => `${files.join(', ')} of set ${set.slice(0, 8)}`);
    return [`these files are of ${sets.size} different exports: ${each.join('; ')}`];
  }
  let next = 1;
  let before = '';
  for (const { path, head } of volumes) {
    const { volume } = head;
    if (volume < next) problems.push(`volume ${volume} was given twice: ${before} and ${path}`);
    else if (volume === next + 1) problems.push(`volume ${next} of set ${head.set.slice(0, 8)} is missing`);
    else if (volume > next)
      problems.push(`volumes ${next} to ${volume - 1} of set ${head.set.slice(0, 8)} are missing`);
    next = volume + 1;
    before = path;
  }
  return problems;
}

/** Null where it can be read only once. @throws LifeboatError `export-damaged`, `source-unreadable`. */
export async function readVolumeHead(path: string): Promise<VolumeFile> {
  if (!(await isPlainFile(path))) return { path, head: null };
  const input = await openFileInput(path);
  try {
    const block = await input.read(blockBytes);
    const { name, size, seconds } = readFields(
      block.length === blockBytes ? block : Buffer.alloc(blockBytes),
    );
    const refuse = (): LifeboatError =>
      new LifeboatError('export-damaged', `${path} does not begin as a volume of an export does`, {
        hint: 'name files that `lifeboat export` wrote; if this is one, its beginning is damaged',
      });
    if (parseEntryName(name)?.kind !== 'volume-head' || !(size <= 4096)) throw refuse();
    if (!entryHeader(name, size, seconds).equals(block)) throw refuse();
    return { path, head: parseVolumeHead(await input.read(size), `the head of ${path}`) };
  } finally {
    await input.close();
  }
}

/** Whether a file ends as the last volume does. */
async function endsArchive(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const end = Buffer.alloc(archiveEndBytes);
    const { bytesRead } = await handle.read(end, 0, archiveEndBytes, Math.max(0, size - archiveEndBytes));
    return bytesRead === archiveEndBytes && end.every((byte) => byte === 0);
  } finally {
    await handle.close();
  }
}
