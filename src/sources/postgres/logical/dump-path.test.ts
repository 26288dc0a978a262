import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dumpPath } from './dump-path.ts';

test('a dump has a file name of its own for every name that a database can have', () => {
  assert.equal(dumpPath('app', 'custom'), 'databases/app.dump');
  assert.equal(dumpPath('We/ird ; name', 'directory'), 'databases/We%2Fird ; name.dir');
  assert.equal(dumpPath('..', 'custom'), 'databases/%2E..dump');
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(name, name, (one, other) => {
      const path = dumpPath(one, 'custom');
      assert.match(path, /^databases\/[^/.][^/]*\.dump$/);
      assert.equal(path === dumpPath(other, 'custom'), one === other);
    }),
  );
});
