import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { type ByteString, bytesOfText, joinPath, toPath, toText } from '../../src/core/bytestring.ts';
import { mkfifo, mknod, setTimes, setXattr } from '../../src/transport/posix.ts';

/** Names that a careless program gets wrong; all characters are of Unicode 13, which every restic knows. */
export const oddNames: readonly ByteString[] = [
  'plain.txt',
  'sp ace',
  'quote"s',
  "single'q",
  'back\\slash',
  'new\nline',
  'tab\there',
  '\x01\x02\x07\b\v\f\r\x1b\x7f',
  'a<b>&c',
  '\xff\xfe\x80bad',
  'cut\xe2\x82',
  '\xed\xa0\x80surrogate',
  '\xf4\x90\x80\x80',
  '\xc0\xaf',
  '\xc2\x85nel',
  'x'.repeat(255),
  '\\x41',
  '\\u0041',
  '-dash',
  '#hash',
  '`tick`',
  '$dollar',
  '...',
  '*',
  '?',
  '[a]',
  '~',
  '%s',
  ' ',
  ...[
    'ümlaut',
    'emoji😀',
    'ls\u2028ps\u2029',
    'nbsp\u00a0zw\u200b',
    '\ufffd',
    '\u0378unassigned',
    '\u{e0001}tag',
    '\u{10ffff}',
    'soft\u00adhyphen',
    '\ufeffbom',
    'e\u0301',
    'private\ue000',
    '長'.repeat(85),
    '\u{2f800}',
    '\uff5e',
  ].map(bytesOfText),
] as ByteString[];

const old = { seconds: -6, nanoseconds: 500_000_000 };
const future = { seconds: 7_000_000_000, nanoseconds: 1 };

/** A folder of everything a file system can hold; what needs root is only there for root. */
export async function makeOddFiles(folder: ByteString): Promise<void> {
  const at = (name: string): ByteString => joinPath(folder, name as ByteString);
  const isRoot = process.geteuid?.() === 0;
  mkdirSync(toPath(folder), { recursive: true });
  oddNames.forEach((name, i) => {
    writeFileSync(toPath(at(name)), `content ${i}`);
    const nanoseconds = (i * 111_111_111 + i) % 1_000_000_000;
    setTimes(
      at(name),
      { seconds: 1_600_000_000 + i, nanoseconds: i },
      { seconds: 1_500_000_000 + i, nanoseconds },
    );
  });
  for (const name of ['empty', 'mode', 'owned', 'old', 'future', 'sparse']) writeFileSync(at(name), '');
  truncateSync(at('sparse'), 3_000_000);
  setTimes(at('old'), old, old);
  setTimes(at('future'), future, future);
  mkdirSync(at('dir'));
  writeFileSync(at('dir/file'), 'inside');
  mkdirSync(at('sticky'));
  chmodSync(at('sticky'), 0o1777);
  symlinkSync('plain.txt', at('link'));
  symlinkSync('/nowhere/'.repeat(100), at('link-long'));
  symlinkSync(Buffer.from(bytesOfText('ü<"\n\u2028'), 'latin1'), at('link-odd'));
  linkSync(at('plain.txt'), at('hard1'));
  linkSync(at('plain.txt'), at('dir/hard2'));
  mkfifo(at('fifo'), 0o640);
  await listen(at('socket'));
  for (const [name, value] of [
    ['user.one', 'value'],
    ['user.a', ''],
    [bytesOfText('user.ünï'), '\0\xff'],
  ] as const) {
    setXattr(at('plain.txt'), name as ByteString, Buffer.from(value, 'latin1'));
  }
  setXattr(at('dir'), 'user.big' as ByteString, Buffer.alloc(2000, 66));
  spawnSync('setfacl', ['-m', 'u:1234:rwx', toText(at('empty'))]);
  spawnSync('setfacl', ['-d', '-m', 'g:4321:rx', toText(at('sticky'))]);
  chmodSync(at('mode'), 0o2751);
  if (!isRoot) return;
  mknod(at('chardev'), 0o020620, 259);
  mknod(at('blockdev'), 0o060660, 259 * 256 + 0xff + 0xfff00 * 4096);
  chownSync(at('owned'), 12_345, 54_321);
  chownSync(at('mode'), 65_534, 65_534);
  chmodSync(at('mode'), 0o6751);
}

/** Leaves a socket file behind. */
async function listen(path: ByteString): Promise<void> {
  const server: Server = createServer();
  const bound = Promise.withResolvers<void>();
  server.once('error', bound.reject);
  server.listen(`${path}.tmp`, bound.resolve);
  await bound.promise;
  linkSync(`${path}.tmp`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** Symlinks with what restic knows since 0.17 only: targets that are not UTF-8 and attributes. */
export function makeOddLinks(folder: ByteString): void {
  const at = (name: string): ByteString => joinPath(folder, name as ByteString);
  symlinkSync(Buffer.from('\xff<raw>\b\f', 'latin1'), at('link-raw'));
  if (process.geteuid?.() === 0) setXattr(at('link-raw'), 'trusted.link' as ByteString, Buffer.from('s'));
  setXattr(at('plain.txt'), 'user.bad\xff<' as ByteString, Buffer.from('bad'));
}
