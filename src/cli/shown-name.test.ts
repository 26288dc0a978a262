import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownName } from './shown-name.ts';

test('names are shown as they are, unless they would do something to the terminal', () => {
  for (const plain of ['shop', 'odd "db\' é', '日本', 'a b']) assert.equal(shownName(plain), plain);
  assert.equal(shownName('a\nb'), '"a\\nb"');
  assert.equal(shownName('\u001b[2Jx'), '"\\u001b[2Jx"');
  assert.equal(shownName('a\u009bb\u202ec'), '"a\\u009bb\\u202ec"');
});
