import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { choosePacks, parseDataSubset } from './subset.ts';

const packs = Array.from({ length: 512 }, (_, n) => ({
  id: `${(n % 256).toString(16).padStart(2, '0')}${'0'.repeat(62)}`,
  bytes: 1000,
}));

describe('a subset of the data', () => {
  test('is a group, a percentage or a size', () => {
    assert.deepEqual(parseDataSubset('2/5'), { kind: 'group', part: 2, parts: 5 });
    assert.deepEqual(parseDataSubset('256/256'), { kind: 'group', part: 256, parts: 256 });
    assert.deepEqual(parseDataSubset('2.5%'), { kind: 'share', share: 0.025 });
    assert.deepEqual(parseDataSubset('100%'), { kind: 'share', share: 1 });
    assert.deepEqual(parseDataSubset('10M'), { kind: 'bytes', bytes: 10 << 20 });
  });

  for (const text of ['', '0/5', '6/5', '1/257', '1/2/3', '0%', '101%', '-1%', 'x%', '0', '10X', 'half']) {
    test(`is not ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseDataSubset(text), /^Error: expected /);
    });
  }

  test('covers every pack once over all groups', () => {
    const groups = [1, 2, 3, 4, 5].map((part) =>
      choosePacks(packs, { kind: 'group', part, parts: 5 }, Math.random),
    );
    assert.equal(groups.flat().length, packs.length);
    assert.equal(new Set(groups.flat()).size, packs.length);
    assert.ok(groups[0]!.every(({ id }) => Number.parseInt(id.slice(0, 2), 16) % 5 === 0));
  });

  test('chosen at random has as many packs as asked, each once, and other ones next time', () => {
    const choose = (): string[] =>
      choosePacks(packs, { kind: 'share', share: 0.1 }, Math.random)
        .map((pack) => packs.indexOf(pack))
        .map(String);
    assert.equal(new Set(choose()).size, 51);
    assert.notDeepEqual(choose(), choose());
    assert.equal(choosePacks(packs, { kind: 'bytes', bytes: 100_000 }, Math.random).length, 100);
  });

  test('is at least one pack, and at most all', () => {
    assert.equal(choosePacks(packs, { kind: 'bytes', bytes: 1 }, Math.random).length, 1);
    assert.equal(choosePacks(packs, { kind: 'bytes', bytes: 1e12 }, Math.random).length, packs.length);
    assert.deepEqual(choosePacks([], { kind: 'share', share: 1 }, Math.random), []);
  });
});
