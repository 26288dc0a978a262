import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEntrySet, openEntrySet } from './entry-set.ts';

test('a set of entries is a set, and seen by whoever opens its memory', () => {
  const entries = fc.array(fc.integer({ min: 0, max: 130 }));
  fc.assert(
    fc.property(entries, entries, (added, others) => {
      const set = createEntrySet(131);
      const model = new Set<number>();
      for (const entry of added) {
        assert.equal(set.add(entry), !model.has(entry));
        model.add(entry);
      }
      const opened = openEntrySet(set.memory);
      for (let entry = 0; entry <= 130; entry++) assert.equal(opened.has(entry), model.has(entry));
      assert.equal(opened.size(), model.size);

      const other = createEntrySet(131);
      for (const entry of others) other.add(entry);
      const found: number[] = [];
      set.eachNotIn(other, (entry) => found.push(entry));
      assert.deepEqual(
        found,
        [...model].filter((entry) => !others.includes(entry)).sort((a, b) => a - b),
      );
    }),
  );
});
