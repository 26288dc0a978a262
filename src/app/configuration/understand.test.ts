import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultSlot } from './understand.ts';

describe('the name of a slot', () => {
  it('is made from that of the source, and fits', () => {
    assert.equal(defaultSlot('app-db'), 'lifeboat_app_db');
    const long = ['a'.repeat(62), 'a'.repeat(63)].map(defaultSlot);
    assert.notEqual(long[0], long[1]);
    for (const slot of long) assert.match(slot, /^[a-z0-9_]{1,63}$/);
  });
});
