import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ByteString } from '../src/core/bytestring.ts';
import { setXattr } from '../src/transport/posix.ts';
import { treeDifferences } from './compare-trees.ts';

const scratch = mkdtempSync(join(tmpdir(), 'compare-'));
after(() => rmSync(scratch, { recursive: true }));

type Change = (at: (name: string) => string) => void;

let pairs = 0;

/** Two equal folders, of which the second is then changed. */
function differencesAfter(change: Change): string {
  const [one, other] = [join(scratch, `${pairs}-one`), join(scratch, `${pairs}-other`)];
  pairs++;
  for (const folder of [one, other]) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'a'), 'content', { mode: 0o644 });
    writeFileSync(join(folder, 'b'), 'content');
    truncateSync(join(folder, 'b'), 1 << 20);
    setTime(folder);
  }
  assert.deepEqual(treeDifferences(one, other, { holes: true }), []);
  change((name) => join(other, name));
  utimesSync(other, 1e9, 1e9);
  return treeDifferences(one, other, { holes: true }).join('\n');
}

function setTime(folder: string): void {
  for (const name of ['a', 'b', '.']) utimesSync(join(folder, name), 1e9, 1e9);
}

test('a comparison of folders sees every kind of difference', () => {
  const cases: readonly (readonly [RegExp, Change])[] = [
    [
      /^"a": content is "[^"]+", not "[^"]+"$/,
      (at) => {
        writeFileSync(at('a'), 'Content');
        setTime(at('.'));
      },
    ],
    [/^"a": mode is "600", not "644"$/, (at) => chmodSync(at('a'), 0o600)],
    [/^"a": mtime is "1000000000.500000000"/, (at) => utimesSync(at('a'), 1e9, 1e9 + 0.5)],
    [
      /^"b": hasHole is false, not true$/,
      (at) => {
        writeFileSync(at('b'), Buffer.concat([Buffer.from('content'), Buffer.alloc((1 << 20) - 7)]));
        setTime(at('.'));
      },
    ],
    [/^"a" is missing\n"c" was not there$/, (at) => renameSync(at('a'), at('c'))],
    [/^"a": sameFileAs is "a", not undefined\n"z" was not there$/, (at) => linkSync(at('a'), at('z'))],
  ];
  for (const [expected, change] of cases) assert.match(differencesAfter(change), expected);
});

test('and attributes', (t) => {
  let stored = true;
  const found = differencesAfter((at) => {
    stored = setXattr(at('a') as ByteString, 'user.x' as ByteString, Buffer.from('1'));
  });
  if (!stored) return t.skip('needs a filesystem with extended attributes');
  assert.equal(found, '"a": xattrs is ["user.x=1"], not []');
});
