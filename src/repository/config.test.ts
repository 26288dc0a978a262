import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../core/errors.ts';
import { encodeConfig, newConfig, parseConfig } from './config.ts';

const parse = (value: unknown) => parseConfig(Buffer.from(JSON.stringify(value)), 'here');
const good = { version: 2, id: 'ab'.repeat(32), chunker_polynomial: '3da3358b4dc173' };

describe('the config', () => {
  test('gives back what was written, with a polynomial and an ID of its own each time', () => {
    for (const version of [1, 2] as const) {
      const config = newConfig(version);
      assert.deepEqual(parseConfig(encodeConfig(config), 'here'), config);
    }
    assert.notEqual(newConfig(2).id, newConfig(2).id);
    assert.notEqual(newConfig(2).chunkerPolynomial, newConfig(2).chunkerPolynomial);
  });

  test('of restic is read', () => {
    assert.deepEqual(parse({ ...good, unknown: [1] }), {
      version: 2,
      id: good.id,
      chunkerPolynomial: 0x3da3358b4dc173n,
    });
  });

  const refused: Readonly<Record<string, object>> = {
    'version 0': { version: 0 },
    'a version in text': { version: '2' },
    'no ID': { id: null },
    'a short ID': { id: 'ab' },
    'no polynomial': { chunker_polynomial: undefined },
    'a polynomial that is no number': { chunker_polynomial: 'xyz' },
    'a reducible polynomial': { chunker_polynomial: '3da3358b4dc172' },
    'a polynomial of a lower degree': { chunker_polynomial: '7' },
    'a polynomial of a higher degree': { chunker_polynomial: '7da3358b4dc173' },
  };
  for (const [what, change] of Object.entries(refused)) {
    test(`with ${what} is damaged`, () => {
      assert.throws(
        () => parse({ ...good, ...change }),
        (error) => hasCode(error, 'repository-damaged'),
      );
    });
  }

  test('of a newer version says that Lifeboat must be newer', () => {
    assert.throws(
      () => parse({ ...good, version: 3 }),
      (error) => hasCode(error, 'repository-version'),
    );
  });

  test('of any JSON is read or called damaged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.throws(
          () => parse(value),
          (error) => hasCode(error, 'repository-damaged', 'repository-version'),
        );
      }),
      { numRuns: 300 },
    );
  });
});
