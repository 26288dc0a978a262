import type { NodeType } from './node.ts';

/**
 * Modes: trees hold Go's os.FileMode bits (Go io/fs, FileMode), the operating system st_mode (inode(7)).
 */

export const goModeDir = 0x8000_0000;
export const goModeAppend = 0x4000_0000;
export const goModeExclusive = 0x2000_0000;
export const goModeTemporary = 0x1000_0000;
export const goModeSymlink = 0x0800_0000;
export const goModeDevice = 0x0400_0000;
export const goModeNamedPipe = 0x0200_0000;
export const goModeSocket = 0x0100_0000;
export const goModeSetuid = 0x0080_0000;
export const goModeSetgid = 0x0040_0000;
export const goModeCharDevice = 0x0020_0000;
export const goModeSticky = 0x0010_0000;
export const goModeIrregular = 0x0008_0000;

const statTypeMask = 0o170000;
const statSocket = 0o140000;
const statSymlink = 0o120000;
const statFile = 0o100000;
const statBlock = 0o060000;
const statDir = 0o040000;
const statChar = 0o020000;
const statFifo = 0o010000;
const statSetuid = 0o4000;
const statSetgid = 0o2000;
const statSticky = 0o1000;

interface Kind {
  readonly type: NodeType;
  readonly goBits: number;
  readonly statBits: number;
}

const kinds: readonly Kind[] = [
  { type: 'file', goBits: 0, statBits: statFile },
  { type: 'dir', goBits: goModeDir, statBits: statDir },
  { type: 'symlink', goBits: goModeSymlink, statBits: statSymlink },
  { type: 'chardev', goBits: goModeDevice + goModeCharDevice, statBits: statChar },
  { type: 'dev', goBits: goModeDevice, statBits: statBlock },
  { type: 'fifo', goBits: goModeNamedPipe, statBits: statFifo },
  { type: 'socket', goBits: goModeSocket, statBits: statSocket },
];
/** Go knows no other kind on Unix and takes it for a file without type bits. */
const unknownKind: Kind = { type: 'file', goBits: 0, statBits: 0 };
const kindByStat = Array.from(
  { length: 16 },
  (_, type) => kinds.find((kind) => kind.statBits === type << 12) ?? unknownKind,
);

/** Kind of entry that a st_mode names. */
export function typeOfStatMode(statMode: number): NodeType {
  return kindByStat[(statMode & statTypeMask) >>> 12]!.type;
}

/** st_mode to Go's FileMode. */
export function goModeOfStat(statMode: number): number {
  let mode = kindByStat[(statMode & statTypeMask) >>> 12]!.goBits + (statMode & 0o777);
  if (statMode & statSetuid) mode += goModeSetuid;
  if (statMode & statSetgid) mode += goModeSetgid;
  if (statMode & statSticky) mode += goModeSticky;
  return mode;
}

/** The twelve bits that chmod(2) takes, of Go's FileMode. */
export function permissionsOfGoMode(goMode: number): number {
  let permissions = goMode & 0o777;
  if (goMode & goModeSetuid) permissions |= statSetuid;
  if (goMode & goModeSetgid) permissions |= statSetgid;
  if (goMode & goModeSticky) permissions |= statSticky;
  return permissions;
}

/** Go's FileMode to st_mode; 0 as type where st_mode has none for it. */
export function statModeOfGo(goMode: number): number {
  const type = typeOfGoMode(goMode);
  const statBits = kinds.find((kind) => kind.type === type)?.statBits ?? 0;
  return statBits | permissionsOfGoMode(goMode);
}

const goTypeMask =
  goModeDir +
  goModeSymlink +
  goModeNamedPipe +
  goModeSocket +
  goModeDevice +
  goModeCharDevice +
  goModeIrregular;

/** Kind of entry that Go's FileMode names (restic internal/fs/node.go, nodeTypeFromFileInfo). */
export function typeOfGoMode(goMode: number): NodeType {
  const bits = (goMode & goTypeMask) >>> 0;
  if (bits === goModeIrregular) return 'irregular';
  return kinds.find((kind) => kind.goBits === bits)?.type ?? '';
}

const typeLetters = 'dalTLDpSugct?';
const permissionLetters = 'rwxrwxrwx';

/** As Go's FileMode.String and so `restic ls -l`: letters of the set bits (or `-`), then the permissions. */
export function formatGoMode(goMode: number): string {
  let out = '';
  for (let i = 0; i < typeLetters.length; i++) {
    if ((goMode >>> (31 - i)) & 1) out += typeLetters[i];
  }
  if (out === '') out = '-';
  for (let i = 0; i < permissionLetters.length; i++) {
    out += (goMode >>> (8 - i)) & 1 ? permissionLetters[i] : '-';
  }
  return out;
}
