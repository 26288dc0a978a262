import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { mayImport, roomOf } from './rooms.ts';
import { blankTextAndComments, lineAt, read, root, sourceFiles, trackedFiles } from './sources.ts';

const fileLinesMax = 400;
const files = sourceFiles();

/** Where a pattern occurs in the code itself, as `path:line`. */
function occurrences(pattern: RegExp, wanted: (path: string) => boolean): string[] {
  return files
    .filter(({ path }) => wanted(path))
    .flatMap(({ path, code }) =>
      [...code.matchAll(pattern)].map((found) => `${path}:${lineAt(code, found.index)}`),
    );
}

describe('files of src', () => {
  test(`no file has more than ${fileLinesMax} lines`, () => {
    const long = files.filter(({ text }) => text.trimEnd().split('\n').length > fileLinesMax);
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    );
  });

  test('only the command line prints', () => {
    const printing = /\bconsole\s*\.|\bprocess\s*\.\s*(?:stdout|stderr)\b/g;
    assert.deepEqual(
      occurrences(printing, (path) => roomOf(path) !== 'cli'),
      [],
    );
  });

  test('nothing has the type any', () => {
    assert.deepEqual(
      occurrences(/[:<,|&]\s*any\b(?!\s*[:(])|\bas any\b|=>\s*any\b/g, () => true),
      [],
    );
  });

  test('no catch is empty', () => {
    const empty = files.filter(({ text }) => /catch\s*(\([^)]*\))?\s*\{\s*\}/.test(text));
    assert.deepEqual(
      empty.map(({ path }) => path),
      [],
    );
  });

  test('no folder collects utilities', () => {
    assert.deepEqual(
      files.map(({ path }) => path).filter((path) => /\/(utils?|helpers?|common|misc)[/.]/.test(path)),
      [],
    );
  });

  test('code is told from comments and strings', () => {
    const blanked = blankTextAndComments(
      "a('console.log'); // any\nconst b = `x`; /* process.stdout */ c(/'/); d",
    );
    assert.deepEqual(blanked.match(/\w+/g), ['a', 'const', 'b', 'c', 'd']);
  });
});

describe('rooms', () => {
  const rooms = [...new Set(files.map(({ path }) => roomOf(path)))];

  test('each room says what its job is in a README.md', () => {
    assert.deepEqual(
      rooms.filter((room) => !existsSync(join(root, 'src', room, 'README.md'))),
      [],
    );
  });

  test('each README.md names what the room may import', () => {
    const silent = rooms
      .filter((room) => existsSync(join(root, 'src', room, 'README.md')))
      .flatMap((room) => {
        const text = read(`src/${room}/README.md`);
        return (mayImport[room] ?? [])
          .filter((other) => !text.includes(`\`${other}\``) && room !== 'app')
          .map((other) => `${room}: ${other}`);
      });
    assert.deepEqual(silent, []);
  });

  test('src holds rooms and nothing else', () => {
    const loose = readdirSync(join(root, 'src'), { withFileTypes: true }).filter(
      (entry) => !entry.isDirectory(),
    );
    assert.deepEqual(
      loose.map(({ name }) => name),
      [],
    );
  });
});

describe('tracked files', () => {
  // Written in pieces, so that this file does not find itself.
  const forbidden: readonly (readonly [string, RegExp])[] = [
    [
      'a path of one machine',
      new RegExp(
        `(?<![\\w.$}{*~-])/(?:${['work', 'root', 'Users'].join('|')})/[\\w.-]+|/home/(?!user\\b|alice\\b)[a-z]+/`,
        'g',
      ),
    ],
    [
      'a registry host',
      new RegExp(
        [
          'registry\\.npmjs',
          'registry\\.yarnpkg',
          'proxy\\.golang',
          'static\\.crates',
          'index\\.crates',
        ].join('|'),
        'g',
      ),
    ],
    [
      'a note instead of work',
      new RegExp(
        `\\b(?:${['TO', 'FIX'].map((half) => `${half}${half === 'TO' ? 'DO' : 'ME'}`).join('|')}|X{3})\\b`,
        'g',
      ),
    ],
  ];

  test('hold no machine paths, no registry hosts and no notes to self', (t) => {
    const tracked = trackedFiles();
    if (tracked === null) return t.skip('needs a git checkout');
    const found = tracked.flatMap((path) => {
      const text = read(path);
      if (text.includes('\0')) return [];
      return forbidden.flatMap(([what, pattern]) =>
        [...text.matchAll(pattern)].map(
          (match) => `${path}:${lineAt(text, match.index)}: ${what}: ${match[0]}`,
        ),
      );
    });
    assert.deepEqual(found, []);
  });
});
