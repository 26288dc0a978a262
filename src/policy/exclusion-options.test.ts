import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytesOfBuffer } from '../core/bytestring.ts';
import { hasCode } from '../core/errors.ts';
import { cleanPath } from './clean-path.ts';
import { cacheDirectoryTag, headerBytesNeeded, marksDirectory, parseTagFile } from './exclude-if-present.ts';
import { parsePatternFile } from './pattern-file.ts';
import { parseSize } from './size.ts';

describe('a file of patterns', () => {
  const env = { HOME: '/srv/me', EMPTY: '', é: 'x' };
  const parse = (text: string | Buffer): string[] => parsePatternFile(Buffer.from(text as string), env);

  it('holds one pattern a line, without comments, empty lines and white space around', () => {
    assert.deepEqual(parse('# comment\n\n  *.tmp \r\n\t# too\n\u00a0a b\u3000\nlast'), [
      '*.tmp',
      'a b',
      'last',
    ]);
  });

  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are references in a file of patterns.
  it('takes variables from the environment', () => {
    assert.deepEqual(parse('$HOME/x\n${HOME}/y\n$HOMEX/z\n$$HOME\n/a/${EMPTY}b\n5$'), [
      '/srv/me/x',
      '/srv/me/y',
      '/z',
      '$HOME',
      '/a/b',
      '5$',
    ]);
  });

  it('drops what is no reference, as Go does', () => {
    assert.deepEqual(parse('a${}b\na${b\na$1b\na$-b\na$.b\n${$}'), ['ab', 'ab', 'ab', 'ab', 'a$.b', '$']);
  });

  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: see above.

  it('is read as UTF-16 where a byte order mark says so, and as bytes where it is no text', () => {
    assert.deepEqual(parsePatternFile(Buffer.from('\ufeffäb\n', 'utf16le'), env), ['\xc3\xa4b']);
    assert.deepEqual(parsePatternFile(Buffer.from('\ufeffb\n', 'utf8'), env), ['b']);
    const raw = Buffer.from([0x20, 0x61, 0xff, 0x0d, 0x0a]);
    assert.deepEqual(parsePatternFile(raw, env), [bytesOfBuffer(Buffer.from([0x61, 0xff]))]);
  });
});

describe('a size', () => {
  it('counts in powers of 1024', () => {
    const facts: readonly [string, number][] = [
      ['0', 0],
      ['1024', 1024],
      ['1b', 1],
      ['10K', 10_240],
      ['10m', 10 * 1024 ** 2],
      ['3G', 3 * 1024 ** 3],
      ['2t', 2 * 1024 ** 4],
    ];
    for (const [text, bytes] of facts) assert.equal(parseSize(text), bytes, text);
  });

  it('is refused when it is none', () => {
    for (const text of ['', 'M', '-1', '1.5G', '10X', '10MB', '8388608T', '9223372036854775808']) {
      assert.throws(() => parseSize(text), /expected a size/, text);
    }
  });
});

describe('a file that excludes its directory', () => {
  it('is named with or without what it begins with', () => {
    assert.deepEqual(parseTagFile('.nobackup'), { name: '.nobackup', header: null });
    assert.deepEqual(parseTagFile('tag:a:b'), { name: 'tag', header: Buffer.from('a:b') });
    assert.deepEqual(parseTagFile('tag:'), { name: 'tag', header: null });
    for (const text of ['', ':header'])
      assert.throws(
        () => parseTagFile(text),
        (error) => hasCode(error, 'usage'),
      );
  });

  it('counts when it begins with its header', () => {
    const signature = 'Signature: 8a477f597d28d172789f06886806bc55';
    assert.equal(headerBytesNeeded(cacheDirectoryTag), 43);
    assert.equal(marksDirectory(cacheDirectoryTag, Buffer.from(`${signature}\n# made by a test`)), true);
    assert.equal(marksDirectory(cacheDirectoryTag, Buffer.from(signature.slice(1))), false);
    assert.equal(marksDirectory(cacheDirectoryTag, Buffer.from('Sig')), false);
    assert.equal(marksDirectory(parseTagFile('any'), Buffer.alloc(0)), true);
  });
});

describe('a clean path', () => {
  it('is the shortest with the same meaning', () => {
    const facts: readonly [string, string][] = [
      ['', '.'],
      ['.', '.'],
      ['/', '/'],
      ['//', '/'],
      ['/..', '/'],
      ['../a', '../a'],
      ['a/../..', '..'],
      ['a/./b//c/', 'a/b/c'],
      ['/a/../../b', '/b'],
    ];
    for (const [path, clean] of facts) assert.equal(cleanPath(path), clean, path);
  });
});
