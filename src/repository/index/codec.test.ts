import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { encodeIndex, type IndexedPack, parseIndex } from './codec.ts';

const id = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as Id);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const packs: fc.Arbitrary<IndexedPack[]> = fc.array(
  fc.record({
    id,
    blobs: fc.array(
      fc.record({
        type: fc.constantFrom('data' as const, 'tree' as const),
        id,
        offset: u32,
        length: u32,
        uncompressedLength: u32,
      }),
      { maxLength: 8 },
    ),
  }),
  { maxLength: 5 },
);
const parse = (json: string): IndexedPack[] => parseIndex(Buffer.from(json), 'i');
const someId = 'ab'.repeat(32);

describe('an index file', () => {
  test('gives back what was written', () => {
    fc.assert(
      fc.property(packs, (written) => {
        // fast-check makes objects without prototype now and then; JSON does not.
        assert.deepEqual(parseIndex(encodeIndex(written), 'i'), JSON.parse(JSON.stringify(written)));
      }),
    );
  });

  test('has the JSON that doc/design.rst shows', () => {
    const blobs = [
      { type: 'data' as const, id: someId as Id, offset: 0, length: 38, uncompressedLength: 0 },
      { type: 'tree' as const, id: someId as Id, offset: 38, length: 112, uncompressedLength: 511 },
    ];
    assert.equal(
      String(encodeIndex([{ id: someId as Id, blobs }])),
      `{"packs":[{"id":"${someId}","blobs":[{"id":"${someId}","type":"data","offset":0,"length":38},` +
        `{"id":"${someId}","type":"tree","offset":38,"length":112,"uncompressed_length":511}]}]}`,
    );
  });

  test('may have what older versions and other programs write: supersedes, null, unknown fields', () => {
    assert.deepEqual(parse('{"supersedes":["x"],"packs":null}'), []);
    assert.deepEqual(parse('{}'), []);
    assert.deepEqual(parse(`{"packs":[{"id":"${someId}","blobs":null,"new":1}]}`), [
      { id: someId, blobs: [] },
    ]);
    const blob = `{"id":"${someId}","type":"data","offset":1,"length":2,"uncompressed_length":null,"new":{}}`;
    assert.equal(
      parse(`{"packs":[{"id":"${someId}","blobs":[${blob}]}]}`)[0]!.blobs[0]!.uncompressedLength,
      0,
    );
  });

  const good = { id: someId, type: 'data', offset: 1, length: 2 };
  const withBlob = (change: object): string =>
    JSON.stringify({ packs: [{ id: someId, blobs: [{ ...good, ...change }] }] });
  const malformed = [
    '',
    '{',
    '{"packs":[{"id":"short","blobs":[]}]}',
    `{"packs":[{"id":"${someId.toUpperCase()}","blobs":[]}]}`,
    withBlob({ id: 'short' }),
    withBlob({ id: 5 }),
    withBlob({ type: 'other' }),
    withBlob({ type: null }),
    withBlob({ offset: -1 }),
    withBlob({ offset: 1.5 }),
    withBlob({ length: 2 ** 32 }),
    withBlob({ length: '2' }),
    withBlob({ uncompressed_length: -1 }),
  ];
  for (const json of malformed) {
    test(`is damaged when it is ${json.slice(0, 60) || 'empty'}`, () => {
      assert.throws(
        () => parse(json),
        (error) => hasCode(error, 'repository-damaged') && /index i /.test(error.message),
      );
    });
  }

  test('of any JSON is parsed or called damaged', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        try {
          parse(json);
        } catch (error) {
          assert.ok(hasCode(error, 'repository-damaged'), `${json}: ${String(error)}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('of any JSON in the place of packs or blobs is parsed or called damaged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.boolean(), (value, deep) => {
        const document = deep ? { packs: [{ id: someId, blobs: value }] } : { packs: value };
        try {
          parse(JSON.stringify(document));
        } catch (error) {
          assert.ok(hasCode(error, 'repository-damaged'), `${JSON.stringify(document)}: ${String(error)}`);
        }
      }),
      { numRuns: 500 },
    );
  });
});
