import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { manifestName, parseEntryName, volumeEndName, volumeHeadName, volumesMax } from './names.ts';

const id = 'ab'.repeat(32);
const unit = '000000010000000000000002';
const piece = `lifeboat/journal/app-db/7301234567890123456/${unit.slice(0, 16)}/${unit}-00000000-00100000.${'1'.repeat(32)}`;

describe('names of entries', () => {
  test('say what they are', () => {
    assert.deepEqual(parseEntryName(manifestName), { kind: 'manifest' });
    assert.deepEqual(parseEntryName('config'), { kind: 'config' });
    assert.deepEqual(parseEntryName(`keys/${id}`), { kind: 'keys', id });
    assert.deepEqual(parseEntryName(`data/ab/${id}`), { kind: 'data', id });
    assert.deepEqual(parseEntryName(`index/${id}`), { kind: 'index', id });
    assert.deepEqual(parseEntryName(`snapshots/${id}`), { kind: 'snapshots', id });
    assert.deepEqual(parseEntryName(piece), { kind: 'journal', hash: '1'.repeat(32) });
    assert.deepEqual(parseEntryName('lifeboat/journal/a/1/heartbeat'), { kind: 'journal', hash: null });
  });

  test('of volumes are found again by their numbers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: volumesMax }), (volume) => {
        assert.deepEqual(parseEntryName(volumeHeadName(volume)), { kind: 'volume-head', volume });
        assert.deepEqual(parseEntryName(volumeEndName(volume)), { kind: 'volume-end', volume });
      }),
    );
  });

  test('that are none stay none, however near they come', () => {
    const parts = fc.constantFrom(
      ...['..', '.', '', 'data', 'ab', id, 'keys', 'config', 'lifeboat', 'journal', 'heartbeat', 'a', '1'],
      ...['export.json', 'export-volumes', '0001.json', '0000.json', 'history', unit.slice(0, 16), '\0', 'A'],
    );
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 8 }), (chosen) => {
        const name = chosen.join('/');
        if (parseEntryName(name) === null) return;
        assert.ok(!chosen.some((part) => ['..', '.', '', '\0'].includes(part)), JSON.stringify(name));
      }),
      { numRuns: 2000 },
    );
  });
});
