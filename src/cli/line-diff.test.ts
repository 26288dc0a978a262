import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffLines } from './line-diff.ts';

test('a diff of lines has both texts in it, and keeps what they share', () => {
  assert.deepEqual(
    diffLines(['a', 'b', 'c'], ['a', 'x', 'c']).map(({ sign, text }) => sign + text),
    [' a', '-b', '+x', ' c'],
  );
  const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 });
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const diff = diffLines(before, after);
      const without = (left: string): string[] =>
        diff.filter(({ sign }) => sign !== left).map(({ text }) => text);
      assert.deepEqual(without('+'), before);
      assert.deepEqual(without('-'), after);
    }),
  );
  assert.ok(diffLines(['a', 'b'], ['a', 'b']).every(({ sign }) => sign === ' '));
});
