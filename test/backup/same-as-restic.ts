import assert from 'node:assert/strict';
import { linkSync, mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type ByteString, toPath } from '../../src/core/bytestring.ts';
import { encodeNode } from '../../src/model/tree.ts';
import { type Program, run } from '../programs.ts';
import type { Sandbox } from './sandbox.ts';

/** Command lines of `backup` that have to find the same files, and make the same trees of them, as restic's. */

const signature = 'Signature: 8a477f597d28d172789f06886806bc55';

/** A folder in which every rule of what is backed up finds something. */
export function makeFolder(folder: string): void {
  const files: Record<string, string> = {
    'a.txt': 'a',
    'b.TXT': 'b',
    'big.bin': 'x'.repeat(3000),
    '.hidden': 'hidden',
    'deep/er/still/a.txt': 'deep',
    'deep/er/b.tmp': 'temporary',
    'deep/.cache/CACHEDIR.TAG': `${signature}\n# a comment`,
    'deep/.cache/entry': 'cached',
    'deep/.cache/sub/entry': 'cached as well',
    'false-cache/CACHEDIR.TAG': 'no signature',
    'false-cache/entry': 'kept',
    'marked/.nobackup': '',
    'marked/file': 'left out',
    'with-header/.nobackup': 'yes, really',
    'with-header/file': 'depends',
    'sp ace/new\nline': 'odd',
    'Ünï/ö.txt': 'umlaut',
    'node_modules/pkg/index.js': 'code',
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  mkdirSync(join(folder, 'empty'));
  symlinkSync('a.txt', join(folder, 'link'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('deep', join(folder, 'folder-link'));
  linkSync(join(folder, 'a.txt'), join(folder, 'deep', 'second-name'));
  writeFileSync(toPath(`${folder}/\xff\xfe` as ByteString), 'not UTF-8');
  writeFileSync(join(folder, 'sparse'), '');
  truncateSync(join(folder, 'sparse'), 1_000_000);
  utimesSync(join(folder, 'big.bin'), 1e9, 1e9);
  // Lists and patterns are read from files beside the folder.
  const beside = (name: string, content: string | Buffer): void =>
    writeFileSync(join(dirname(folder), name), content);
  mkdirSync(join(dirname(folder), 'other/source'), { recursive: true });
  beside('other/source/file', 'of the same name');
  beside('patterns', '# comment\n\n  *.tmp  \n$LIFEBOAT_TEST_NAME\nde$$ep\n!b.tmp\n');
  beside('ipatterns', '*.TXT\n');
  const name = folder.slice(dirname(folder).length + 1);
  beside('globs', `# comment\n\n  ${name}/*.txt \n${name}/d??p\n${name}/[.]h*\n${name}/none-*\n`);
  beside('stars', `${name}/*\n`);
  beside('verbatim', `${name}/a.txt\n${name}/link\n\n`);
  beside('raw', Buffer.from(`${name}/sp ace/new\nline\0${name}/\xff\xfe\0`, 'latin1'));
}

/** `SOURCE` stands for the absolute path of the folder; relative paths begin beside it. */
export const sameAsRestic: readonly (readonly string[])[] = [
  ['SOURCE'],
  ['source'],
  ['source/'],
  ['./source/deep/../deep'],
  ['source/a.txt'],
  ['source/link'],
  ['source/folder-link'],
  ['source/folder-link/er'],
  ['SOURCE/folder-link/er', 'SOURCE/deep/er'],
  ['source/deep', 'source/deep/er', 'SOURCE/deep'],
  ['source/deep/er', 'source/deep'],
  ['source', 'source'],
  ['source/deep/second-name', 'source/a.txt'],
  ['source', 'other/source'],
  ['SOURCE', '--exclude', '*.txt'],
  ['SOURCE', '--exclude', 'deep/er'],
  ['SOURCE', '-e', '/**/still', '-e', 'SOURCE/marked'],
  ['SOURCE', '--exclude', 'deep/*', '--exclude', '!deep/er'],
  ['SOURCE', '--exclude', 'node_modules'],
  ['SOURCE', '--exclude', 'new?line'],
  ['SOURCE', '--exclude', 'ö*'],
  ['SOURCE', '--iexclude', '*.TxT'],
  ['SOURCE', '--iexclude', 'ÜNÏ'],
  ['SOURCE', '--exclude-file', 'patterns'],
  ['SOURCE', '--iexclude-file', 'ipatterns'],
  ['SOURCE', '--exclude-caches'],
  ['SOURCE', '--exclude-if-present', '.nobackup'],
  ['SOURCE', '--exclude-if-present', '.nobackup:yes'],
  ['SOURCE', '--exclude-if-present', 'link'],
  ['SOURCE', '--exclude-larger-than', '2000'],
  ['SOURCE', '--exclude-larger-than', '2K'],
  ['SOURCE', '--exclude-larger-than', '1'],
  ['SOURCE', '--one-file-system'],
  ['--files-from', 'globs'],
  ['--files-from', 'stars'],
  ['--files-from-verbatim', 'verbatim'],
  ['--files-from-raw', 'raw'],
  ['--files-from', 'globs', '--files-from-raw', 'raw', 'source/empty'],
  ['SOURCE', '--with-atime'],
];

/** Lines of which older versions of restic make something else. */
export const sameAsNewestRestic: readonly (readonly string[])[] = [
  ...sameAsRestic,
  // Excluded by its name, but named by the user.
  ['source/deep', '--exclude', 'deep'],
  ['source/a.txt', 'source/deep', '--exclude', '*.txt'],
  // Some are not there: status 3.
  ['source', 'missing'],
];

/** What a snapshot says and holds; of the folders above the source, whose times others change, only that they are there. */
async function outcomeOf(sandbox: Sandbox, host: string, status: number): Promise<unknown> {
  const snapshot = (await sandbox.snapshots()).find(({ hostname }) => hostname === host);
  if (!snapshot) return { status };
  const entries = [...(await sandbox.entries(snapshot))].map(([path, node]) => [
    path,
    sandbox.source.startsWith(`/${path}/`) ? node.type : encodeNode(node),
  ]);
  const { paths, excludes, tags, username } = snapshot;
  return { status, paths, excludes, tags, username, entries };
}

let backups = 0;

/** Backs up with Lifeboat and with restic, and compares all that came of it. */
export async function assertSameAsRestic(
  sandbox: Sandbox,
  program: Program,
  line: readonly string[],
): Promise<void> {
  const args = line.map((arg) => arg.replace('SOURCE', sandbox.source));
  const env = { LIFEBOAT_TEST_NAME: 'marked' };
  const number = backups++;
  const more = (name: string): string[] => ['--force', '--tag', 'x', '--host', `${name}-${number}`];
  const [theirs, ours] = await Promise.all([
    run(program, ['backup', ...more('theirs'), ...args], {
      repository: sandbox.repository,
      cwd: sandbox.path(''),
      env,
    }),
    sandbox.backupWith({ env }, ...more('ours'), ...args),
  ]);
  assert.deepEqual(
    await outcomeOf(sandbox, `ours-${number}`, ours.status),
    await outcomeOf(sandbox, `theirs-${number}`, theirs.status),
  );
}
