import type { ByteString } from '../../core/bytestring.ts';
import { goModeDir, goModeOfStat, goModeSymlink } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import type { SourceEntry } from '../../model/source-entry.ts';
import { formatTime } from '../../model/time.ts';

const nanosecondsOfSecond = 1_000_000_000n;
/** S_IFREG: to Go a type without bits of its own. */
const statFile = 0o100000;
const typeBits = { file: 0, dir: goModeDir, symlink: goModeSymlink } as const;

function timeOf(nanoseconds: bigint): string {
  const rest = nanoseconds % nanosecondsOfSecond;
  const fraction = rest < 0n ? rest + nanosecondsOfSecond : rest;
  return formatTime((nanoseconds - fraction) / nanosecondsOfSecond, Number(fraction));
}

/** The one time that sources know stands for all three. */
export function timesOf(mtimeNs: bigint): Pick<TreeNode, 'mtime' | 'atime' | 'ctime'> {
  const time = timeOf(mtimeNs);
  return { mtime: time, atime: time, ctime: time };
}

/** An entry's node, without its content. */
export function nodeOfEntry(entry: SourceEntry): TreeNode {
  return {
    name: entry.path.slice(entry.path.lastIndexOf('/') + 1) as ByteString,
    type: entry.type,
    mode: typeBits[entry.type] + goModeOfStat(statFile | (entry.permissions & 0o7777)),
    ...timesOf(entry.mtimeNs),
    uid: entry.uid,
    gid: entry.gid,
    ...(entry.user ? { user: entry.user } : {}),
    ...(entry.group ? { group: entry.group } : {}),
    ...(entry.type === 'symlink' && entry.linkTarget ? { linktarget: entry.linkTarget } : {}),
    content: null,
  };
}
