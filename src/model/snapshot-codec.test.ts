import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../core/errors.ts';
import type { Snapshot } from './snapshot.ts';
import { encodeSnapshot, parseSnapshot } from './snapshot-codec.ts';

/** As restic 0.19 wrote it, with a folder named `d <a>&é`. */
const written =
  '{"time":"2026-11-20T10:14:37.584578453Z","tree":"74b51baeccad489cd977c9714a5ec0222b8d258bbca06c05ed9aa5766a46d406","paths":["/tmp/sc/d \\u003ca\\u003e\\u0026é"],"hostname":"h\\u0026h","username":"root","excludes":["*.tmp","x y"],"tags":["a\\u003cb","c","z"],"original":"b47a32239adcec46cdcbc053764486e8e0cb55df16ed62ac3edf148e2405954f","program_version":"restic 0.19.1-dev (compiled manually)","summary":{"backup_start":"2026-11-20T10:14:37.584578453Z","backup_end":"2026-11-20T10:14:38.307093512Z","files_new":1,"files_changed":0,"files_unmodified":0,"dirs_new":3,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":1,"tree_blobs":4,"data_added":1427,"data_added_packed":1262,"total_files_processed":1,"total_bytes_processed":3}}';

const id = 'ab'.repeat(32);
const parse = (json: unknown): Snapshot =>
  parseSnapshot(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)));

describe('a snapshot file', () => {
  it('is written byte for byte as restic writes it', () => {
    assert.equal(encodeSnapshot(parse(written)).toString('utf8'), written);
  });

  it('has its fields in restic’s order, and those of root left out', () => {
    const snapshot = parse({
      uid: 1000,
      gid: 0,
      parent: id,
      hostname: 'h',
      paths: ['/b', '/a'],
      tree: id,
      time: '2020-01-01T00:00:00+01:00',
    });
    assert.equal(
      encodeSnapshot(snapshot).toString(),
      `{"time":"2020-01-01T00:00:00+01:00","parent":"${id}","tree":"${id}","paths":["/b","/a"],"hostname":"h","uid":1000}`,
    );
  });

  it('may lack fields, have null in them, and have fields that nobody knows', () => {
    assert.deepEqual(parse({}), { time: '0001-01-01T00:00:00Z', paths: [] });
    const sparse = {
      time: '2020-01-01T00:00:00Z',
      tree: null,
      paths: null,
      tags: null,
      summary: null,
      delete: 'never',
      label: '',
    };
    assert.deepEqual(parse(sparse), { time: '2020-01-01T00:00:00Z', paths: [] });
    assert.equal(
      encodeSnapshot(parse(sparse)).toString(),
      '{"time":"2020-01-01T00:00:00Z","tree":null,"paths":[]}',
    );
    assert.equal(parse({ summary: { files_new: 3, unknown: 1 } }).summary?.files_new, 3);
    assert.equal(parse({ summary: {} }).summary?.data_added, 0);
  });

  it('is damaged when a field is of another kind', () => {
    for (const json of [
      '',
      '[]',
      'null',
      '{"time":5}',
      '{"time":"yesterday"}',
      '{"paths":"/x"}',
      '{"paths":[1]}',
      '{"tree":"abc"}',
      '{"uid":1.5}',
      '{"summary":[]}',
    ]) {
      assert.throws(
        () => parse(json),
        (error) => hasCode(error, 'repository-damaged'),
        json,
      );
    }
  });

  it('comes back as it was', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 });
    const snapshot = fc.record(
      {
        time: fc.constant('2024-02-29T12:00:00.5+05:30'),
        paths: fc.array(text),
        hostname: text,
        uid: fc.integer({ min: 1, max: 0xffffffff }),
        tags: fc.array(text, { minLength: 1 }),
      },
      { requiredKeys: ['time', 'paths'], noNullPrototype: true },
    );
    fc.assert(fc.property(snapshot, (one) => assert.deepEqual(parseSnapshot(encodeSnapshot(one)), one)));
  });
});
