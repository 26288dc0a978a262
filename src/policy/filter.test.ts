import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bytesOfBuffer, bytesOfText } from '../core/bytestring.ts';
import { hasCode } from '../core/errors.ts';
import { compileFilter } from './filter.ts';
import { compileComponent } from './glob.ts';

const filterOf = (...patterns: string[]) => compileFilter(patterns.map(bytesOfText));
const matches = (pattern: string, path: string): boolean => filterOf(pattern).matches(bytesOfText(path));

/** Facts that restic's internal/filter/filter_test.go states: pattern, paths it matches, paths it does not. */
const matchFacts: readonly [string, readonly string[], readonly string[]][] = [
  ['*.go', ['/foo/bar/test.go', 'bar/baz/test.go'], ['/foo/bar']],
  ['*.c', [], ['/foo/bar/test.go', 'bar/baz/test.go']],
  ['*', ['/foo/bar/test.go'], []],
  ['**', ['/foo/bar/test.go'], []],
  ['foo*', ['/foo/bar/test.go'], []],
  ['bar*', ['/foo/bar/test.go'], []],
  ['/bar*', [], ['/foo/bar/test.go']],
  ['bar/*', ['/foo/bar/test.go', '/foo/bar/baz'], []],
  ['baz/*', [], ['/foo/bar/test.go']],
  ['bar/test.go', ['/foo/bar/test.go'], []],
  ['ba*/*.go', ['/foo/bar/test.go'], []],
  ['bb*/*.go', [], ['/foo/bar/test.go']],
  ['test.*', ['/foo/bar/test.go'], []],
  ['tesT.*', [], ['/foo/bar/test.go']],
  ['/foo/bar', ['/foo/bar'], ['/foo/baz', '/foo/baz/']],
  ['/foo/bar/', ['/foo/bar'], []],
  ['/foo///bar', ['/foo/bar'], []],
  ['/foo/../bar', ['/bar'], ['/foo/bar']],
  ['/foo', ['/foo/baz'], []],
  ['/foo/', ['/foo/baz'], []],
  ['/foo/*', ['/foo/baz'], ['/foo']],
  ['bar', ['/foo/bar', '/foo/bar/baz', '/foo/bar/test.go'], []],
  ['/foo/*test.*', [], ['/foo/bar/test.go']],
  ['/foo/*/test.*', ['/foo/bar/test.go'], []],
  ['/*/*/bar/test.*', [], ['/foo/bar/test.go', '/foo/bar/baz/test.go']],
  ['/*/*/baz/test.*', ['/foo/bar/baz/test.go'], []],
  ['/*/foo/bar/test.*', [], ['/foo/bar/baz/test.go']],
  ['/foo/bar/test.*', [], ['bar/baz/test.go']],
  ['baz/test.*', ['bar/baz/test.go'], []],
  ['sdk', ['/foo/bar/sdk', '/foo/bar/sdk/test/sdk_foo.go'], []],
  ['sdk/*/cpp/*/*vars*.html', [], ['/usr/share/doc/libreoffice/sdk/docs/cpp/ref/a00517.html']],
  [
    'foo/**/bar/*.go',
    [
      '/home/user/foo/work/special/project/bar/test.go',
      '/home/user/foo/bar/test.go',
      'x/foo/bar/test.go',
      'foo/bar/baz/bar/test.go',
      '/foo/bar/main.go',
    ],
    ['/home/user/foo/test.c', 'bar/foo/main.go', 'bar/main.go'],
  ],
  ['foo/**/bar', ['/home/user/foo/x/y/bar', '/home/user/foo/x/y/bar/main.go'], []],
  ['foo/**/bar/**/x', ['/home/user/foo/bar/x', '/home/user/foo/blaaa/blaz/bar/shared/work/x'], []],
  ['user/**/important*', [], ['/home/user/work/x/y/hidden/x']],
  ['user/**/hidden*/**/c', ['/home/user/work/x/y/hidden/z/a/b/c'], []],
  ['c:/foo', ['c:/foo/bar'], []],
  ['c:/foo/*test.*', [], ['c:/foo/bar/test.go']],
  ['/home/[uU]ser/?.go', ['/home/user/F.go'], ['/home/user/FF.go']],
];

/** From the same place: whether something below the path may match. */
const childFacts: readonly [string, string, boolean][] = [
  ['foo/bar', '/foo', true],
  ['baz', '/foo/bar', true],
  ['*', '/foo/bar', true],
  ['/foo/bar', '/foo', true],
  ['/foo/bar/baz', '/foo', true],
  ['/foo/bar/baz', '/foo/bar', true],
  ['/foo/bar/baz', '/foo/baz', false],
  ['/foo/**/baz', '/foo/bar/baz/blah', true],
  ['/foo/**/qux', '/foo/bar/baz', true],
  ['/foo/**', '/foo/bar', true],
  ['foo/**/bar/**/x', '/home/user/foo/bar', true],
  ['/foo/*/qux', '/foo/bar', true],
  ['/foo/*/qux', '/foo/bar/boo', false],
  ['/foo/*/qux', '/foo/bar/boo/xx', false],
  ['/baz/bar', '/foo', false],
  ['/foo', '/foo/bar', true],
  ['/*', '/foo/bar', true],
  ['/**', '/foo', true],
  ['/*/**', '/foo', true],
  ['/*/bar', '/foo', true],
  ['/bar/*', '/foo', false],
  ['/foo/*/baz', '/bar/baz', false],
  ['/**/*', '/foo', true],
  ['/**/bar', '/foo/bar', true],
];

/** From the same place: patterns together, matched, and whether something below may match. */
const listFacts: readonly [readonly string[], string, boolean, boolean][] = [
  [[], '/foo/bar/test.go', false, false],
  [['*.go'], '/foo/bar/test.go', true, true],
  [['*.go'], '/foo/bar', false, true],
  [['?', 'x'], '/foo/bar/x', true, true],
  [['?'], '/foo/bar/test.go', false, true],
  [['/*/*/bar/test.*'], '/foo/bar/test.go', false, false],
  [['/*/*/bar/test.*'], '/foo/bar/bar', false, true],
  [['/*/*/bar/test.*', '*.go'], '/foo/bar/test.go', true, true],
  [['', '*.c'], '/foo/bar/test.go', false, true],
  [['!**', '*.go'], '/foo/bar/test.go', true, true],
  [['!**', '*.c'], '/foo/bar/test.go', false, true],
  [['/foo/*/test.*', '!*.c'], '/foo/bar/test.c', false, false],
  [['/foo/*/test.*', '!*.c'], '/foo/bar/test.go', true, true],
  [['/foo/*/*', '!test.*', '*.c'], '/foo/bar/test.go', false, true],
  [['/foo/*/*', '!test.*', '*.c'], '/foo/bar/test.c', true, true],
  [['/foo/*/*', '!test.*', '*.c'], '/foo/bar/file.go', true, true],
  [['/**/*', '!/foo', '/foo/*', '!/foo/bar'], '/foo/other/test.go', true, true],
  [['/**/*', '!/foo', '/foo/*', '!/foo/bar'], '/foo/bar', false, false],
  [['/**/*', '!/foo', '/foo/*', '!/foo/bar'], '/foo/bar/test.go/child', false, false],
  [['/**/*', '!/foo', '/foo/*', '!/foo/bar', '/foo/bar/test*'], '/foo/bar/test.go/child', true, true],
  [['/foo/bar/*'], '/foo', false, true],
  [['/foo/bar/*', '!/foo/bar/[a-m]*'], '/foo', false, true],
  [['/foo/**/test.c'], '/foo/bar/foo/bar/test.c', true, true],
  [['/foo/*/test.c'], '/foo/bar/foo/bar/test.c', false, false],
];

/** The definition, slowly: every `**` as any number of stars, at every place in the path. */
function matchesByDefinition(pattern: string, path: string): boolean {
  const split = (text: string): string[] =>
    text.split('/').map((part, i) => (i === 0 && part === '' ? '/' : part));
  const names = split(path);
  const expand = ([first, ...rest]: readonly string[]): string[][] => {
    if (first === undefined) return [[]];
    const starts = first === '**' ? [...names, ''].map((_, i) => Array<string>(i).fill('*')) : [[first]];
    return starts.flatMap((start) => expand(rest).map((end) => [...start, ...end]));
  };
  return expand(split(pattern)).some(
    (parts) =>
      parts.length > 0 &&
      names.some((_, offset) => {
        if (parts[0] === '/' ? offset > 0 : names[offset] === '/') return false;
        return parts.every((part, i) => {
          const name = names[offset + i];
          return name !== undefined && compileComponent(bytesOfText(part))?.(name) === true;
        });
      }),
  );
}

describe('a filter', () => {
  it('matches what restic matches', () => {
    for (const [pattern, yes, no] of matchFacts) {
      for (const path of yes) assert.equal(matches(pattern, path), true, `${pattern} on ${path}`);
      for (const path of no) assert.equal(matches(pattern, path), false, `${pattern} on ${path}`);
    }
  });

  it('goes on below a directory exactly where restic does', () => {
    for (const [pattern, path, expected] of childFacts) {
      const { childMayMatch } = filterOf(pattern).matchesWithChildren(bytesOfText(path));
      assert.equal(childMayMatch, expected, `${pattern} on ${path}`);
    }
  });

  it('takes back what a pattern after an exclamation mark names', () => {
    for (const [patterns, path, matched, childMayMatch] of listFacts) {
      const filter = filterOf(...patterns);
      assert.equal(filter.matches(bytesOfText(path)), matched, `${patterns} on ${path}`);
      assert.deepEqual(
        filter.matchesWithChildren(bytesOfText(path)),
        { matched, childMayMatch },
        `${patterns} on ${path}`,
      );
    }
  });

  it('takes the pattern / for everything that is absolute', () => {
    assert.equal(matches('/', '/etc/passwd'), true);
    assert.equal(matches('/', '/'), true);
    assert.equal(matches('/', 'etc'), false);
  });

  it('refuses an empty path', () => {
    assert.throws(() => matches('x', ''), TypeError);
  });

  it('names every malformed pattern', () => {
    assert.throws(
      () =>
        compileFilter(['*.foo', '*[._]log[.-][0-9]', '!*[._]log[.-][0-9]', 'a\\'].map(bytesOfText), {
          origin: '--exclude',
        }),
      (error) =>
        hasCode(error, 'usage') &&
        error.message === '--exclude: invalid patterns: "*[._]log[.-][0-9]", "!*[._]log[.-][0-9]", "a\\\\"',
    );
    for (const pattern of ['test/[', 'test/**/[', '[]a]', '[^]', '[a-]', '[a']) {
      assert.throws(
        () => filterOf(pattern),
        (error) => hasCode(error, 'usage'),
        pattern,
      );
    }
  });

  it('ignores case where asked to, beyond ASCII too', () => {
    const filter = compileFilter(['*.GO', 'README.md', '/home/user/foobar/*', 'ÄRGER'].map(bytesOfText), {
      caseInsensitive: true,
    });
    for (const path of ['/home/user/foo.go', '/home/user/FOObar/x', '/home/user/readme.MD', '/tmp/ärger']) {
      assert.equal(filter.matches(bytesOfText(path)), true, path);
    }
    assert.equal(filter.matches(bytesOfText('/home/user/foobar')), false);
  });

  it('takes one character for a question mark, or one byte where the name is not UTF-8', () => {
    assert.equal(matches('?', 'é'), true);
    assert.equal(matches('??', 'é'), false);
    const invalid = bytesOfBuffer(Buffer.from([0xff, 0xfe]));
    assert.equal(filterOf('??').matches(invalid), true);
    assert.equal(filterOf('?').matches(invalid), false);
    assert.equal(filterOf('[^a][^b]').matches(invalid), true);
  });

  it('understands classes beyond ASCII', () => {
    assert.equal(matches('[α-ω]', 'λ'), true);
    assert.equal(matches('[^α-ω]', 'λ'), false);
    assert.equal(matches('[a-ω]x', 'éx'), true);
    assert.equal(matches('[😀-😎]', '😃'), true);
    assert.equal(matches('[\\]a]', ']'), true);
    assert.equal(matches('[z-a]', 'm'), false);
  });

  it('gives the same answer for a path whatever was asked before', () => {
    const part = fc.constantFrom('a', 'b', 'ab', 'abc', '*', 'a*', '*b', '?', '**', '[ab]');
    const patterns = fc.array(
      fc
        .tuple(fc.constantFrom('', '!', '/', '!/'), fc.array(part, { minLength: 1, maxLength: 3 }))
        .map(([mark, parts]) => bytesOfText(mark + parts.join('/'))),
      { minLength: 1, maxLength: 4 },
    );
    const paths = fc.array(
      fc
        .tuple(
          fc.constantFrom('', '/'),
          fc.array(fc.constantFrom('a', 'b', 'ab', 'abc', 'c'), { minLength: 1, maxLength: 4 }),
        )
        .map(([mark, parts]) => bytesOfText(mark + parts.join('/'))),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(patterns, paths, (list, asked) => {
        const warm = compileFilter(list);
        for (const path of asked) warm.matchesWithChildren(path);
        for (const path of asked) {
          const cold = compileFilter(list);
          assert.deepEqual(warm.matchesWithChildren(path), cold.matchesWithChildren(path));
          assert.equal(warm.matches(path), cold.matches(path));
        }
      }),
    );
  });

  it('matches by the definition, whatever shortcuts it takes', () => {
    const part = fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', '?', '**', '**', '[ab]');
    const name = fc.constantFrom('a', 'b', 'ab', 'abc', 'c');
    const joined = (piece: fc.Arbitrary<string>): fc.Arbitrary<string> =>
      fc
        .tuple(fc.constantFrom('', '/'), fc.array(piece, { minLength: 1, maxLength: 4 }))
        .map(([root, pieces]) => root + pieces.join('/'));
    fc.assert(
      fc.property(joined(part), joined(name), (pattern, path) => {
        assert.equal(matches(pattern, path), matchesByDefinition(pattern, path));
      }),
      { numRuns: 500 },
    );
  });

  it('does not take for ever over many stars', () => {
    const name = bytesOfText(`/${'a'.repeat(250)}`);
    assert.equal(filterOf(`${'*a'.repeat(30)}?b`).matches(name), false);
  });
});
