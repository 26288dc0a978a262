import { spawnSync } from 'node:child_process';
import { type BigIntStats, fstatSync, lstatSync, lutimesSync, utimesSync } from 'node:fs';
import { constants } from 'node:os';
import process from 'node:process';
import { type ByteString, toBuffer, toPath, toText } from '../core/bytestring.ts';
import type { U64 } from '../model/node.ts';
import type { Instant } from '../model/time.ts';
import type { FileStat, PosixCalls } from './posix-types.ts';
import { SystemError } from './system-error.ts';

/**
 * The same calls without the C library: node:fs where it can, else the system's own programs (getfattr and
 * setfattr of the attr package, touch, mknod, mkfifo). Slower; exact where the programs are.
 */

const billion = 1_000_000_000n;
const outputBytesMax = 256 << 20;
const typeMask = 0o170000;
const { EINVAL, EIO, EPERM, EACCES, ENOENT, EEXIST, ENOTSUP } = constants.errno;

function small(value: bigint): U64 {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Seconds rounded down and the nanoseconds after them. */
function split(nanoseconds: bigint): [number, number] {
  const rest = ((nanoseconds % billion) + billion) % billion;
  return [Number((nanoseconds - rest) / billion), Number(rest)];
}

function statOf(stats: BigIntStats): FileStat {
  const [atimeSec, atimeNsec] = split(stats.atimeNs);
  const [mtimeSec, mtimeNsec] = split(stats.mtimeNs);
  const [ctimeSec, ctimeNsec] = split(stats.ctimeNs);
  return {
    mode: Number(stats.mode),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: small(stats.size),
    ino: small(BigInt.asUintN(64, stats.ino)),
    dev: small(BigInt.asUintN(64, stats.dev)),
    rdev: small(BigInt.asUintN(64, stats.rdev)),
    nlink: Number(stats.nlink),
    atimeSec,
    atimeNsec,
    mtimeSec,
    mtimeNsec,
    ctimeSec,
    ctimeNsec,
  };
}

/** How the programs word what went wrong, in the C locale. */
const wordings: readonly (readonly [string, number])[] = [
  ['Operation not supported', ENOTSUP],
  ['Operation not permitted', EPERM],
  ['Permission denied', EACCES],
  ['No such file or directory', ENOENT],
  ['File exists', EEXIST],
  ['No such attribute', 0],
];

interface Outcome {
  /** 0 for success and for an attribute that is not there. */
  readonly errno: number;
  readonly output: Buffer;
}

/** Runs a program on a path; null where it is not installed. */
function run(program: string, options: readonly string[], path: ByteString): Outcome | null {
  if (path.includes('\0')) throw new SystemError(EINVAL, program, path);
  // xargs hands the path over byte for byte, which spawn cannot do for names that are not UTF-8.
  const result = spawnSync('xargs', ['-0', program, ...options], {
    input: Buffer.concat([toBuffer(path), Buffer.alloc(1)]),
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: outputBytesMax,
  });
  if (result.status === 127 || result.error !== undefined) return null;
  if (result.status === 0) return { errno: 0, output: result.stdout };
  const message = result.stderr.toString('latin1');
  const known = wordings.find(([words]) => message.includes(words));
  return { errno: known === undefined ? EIO : known[1], output: result.stdout };
}

let warned = false;

function warnOnce(program: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`${program} is not installed: extended attributes and ACLs are left out`, {
    code: 'LIFEBOAT_XATTR',
  });
}

/** Ends the options; keeps names that begin with a dash from being taken for one. */
const end = '--';

/** Undoes the octal escapes of getfattr's names. */
function decodeOctal(name: string): ByteString {
  return name.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  ) as ByteString;
}

function runXattr(program: string, options: readonly string[], path: ByteString): Outcome | null {
  const outcome = run(program, options, path);
  if (outcome === null) warnOnce(program);
  else if (outcome.errno !== 0 && outcome.errno !== ENOTSUP)
    throw new SystemError(outcome.errno, program, path);
  return outcome;
}

function runOrThrow(program: string, options: readonly string[], path: ByteString): void {
  const errno = run(program, options, path)?.errno ?? ENOENT;
  if (errno !== 0) throw new SystemError(errno, program, path);
}

function timeArgument({ seconds, nanoseconds }: Instant): string {
  // touch counts the fraction away from zero: -1.5 is half a second before -1.
  if (seconds >= 0 || nanoseconds === 0) return `@${seconds}.${String(nanoseconds).padStart(9, '0')}`;
  const total = BigInt(seconds) * billion + BigInt(nanoseconds);
  const away = -total;
  return `@-${away / billion}.${String(away % billion).padStart(9, '0')}`;
}

function approximate({ seconds, nanoseconds }: Instant): number {
  return seconds + nanoseconds / 1e9;
}

export const posixPrograms: PosixCalls = {
  lstat: (path) => statOf(lstatSync(toPath(path), { bigint: true })),
  fstat: (fd) => statOf(fstatSync(fd, { bigint: true })),
  listXattrs(path) {
    const outcome = runXattr('getfattr', ['-h', '--absolute-names', '-m', '-', end], path);
    const lines = outcome?.output.toString('latin1').split('\n') ?? [];
    return lines.filter((line) => line !== '' && !line.startsWith('# file: ')).map(decodeOctal);
  },
  getXattr(path, name) {
    const options = ['-h', '--absolute-names', '-e', 'hex', '-n', toText(name), end];
    const output = runXattr('getfattr', options, path)?.output.toString('latin1') ?? '';
    const line = output.split('\n').find((text) => text !== '' && !text.startsWith('# file: '));
    if (line === undefined) return null;
    const hex = /=0x([0-9a-f]*)$/.exec(line)?.[1] ?? '';
    return Buffer.from(hex, 'hex');
  },
  setXattr(path, name, value) {
    const hex = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
    const outcome = runXattr(
      'setfattr',
      ['-h', '-n', toText(name), '-v', hex === '' ? '""' : `0x${hex}`, end],
      path,
    );
    return outcome !== null && outcome.errno === 0;
  },
  removeXattr(path, name) {
    runXattr('setfattr', ['-h', '-x', toText(name), end], path);
  },
  setTimes(path, atime, mtime, follow) {
    // touch -c says nothing about a file that is not there.
    lstatSync(toPath(path));
    const nofollow = follow ? [] : ['-h'];
    const first = run('touch', ['-c', ...nofollow, '-a', '-d', timeArgument(atime), end], path);
    const second = run('touch', ['-c', ...nofollow, '-m', '-d', timeArgument(mtime), end], path);
    if (first?.errno === 0 && second?.errno === 0) return;
    // Not GNU touch: node:fs is right to about a microsecond.
    const set = follow ? utimesSync : lutimesSync;
    set(toPath(path), approximate(atime), approximate(mtime));
  },
  mknod(path, mode, device) {
    const kind = (mode & typeMask) === 0o060000 ? 'b' : 'c';
    const value = BigInt(device);
    const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
    const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
    const permissions = (mode & 0o7777).toString(8);
    const script = 'exec mknod -m "$0" -- "$4" "$1" "$2" "$3"';
    runOrThrow('sh', ['-c', script, permissions, kind, String(major), String(minor)], path);
  },
  mkfifo(path, permissions) {
    runOrThrow('mkfifo', ['-m', permissions.toString(8), end], path);
  },
  seekData: (fd, offset) => (offset < Number(fstatSync(fd).size) ? offset : null),
  seekHole: (fd, offset) => {
    const { size } = fstatSync(fd);
    return offset < size ? size : null;
  },
};
