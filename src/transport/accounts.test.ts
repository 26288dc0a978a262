import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupId, groupName, userId, userName } from './accounts.ts';

test('root is number 0 and back', () => {
  assert.equal(userName(0), 'root');
  assert.equal(userId('root'), 0);
  const group = groupName(0);
  assert.notEqual(group, '');
  assert.equal(groupId(group), 0);
});

test('a number without a name is the empty name, a name without a number is null', () => {
  assert.equal(userName(3_999_999_999), '');
  assert.equal(groupName(3_999_999_999), '');
  assert.equal(userId('no-such-user-here'), null);
  assert.equal(groupId(''), null);
});
