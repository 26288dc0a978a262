import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RestoreCounts } from '../engine/restore/request.ts';
import { restoreMessage, restoreStatus, restoreSummary } from './restore-printer.ts';

const none: RestoreCounts = {
  filesTotal: 0,
  filesRestored: 0,
  filesSkipped: 0,
  filesDeleted: 0,
  bytesTotal: 0,
  bytesRestored: 0,
  bytesSkipped: 0,
  problems: 0,
};
const mebibyte = 1024 * 1024;

describe('what a restore prints', () => {
  test('at the end is restic’s summary', () => {
    const all = {
      ...none,
      filesTotal: 12,
      filesRestored: 12,
      bytesTotal: 3 * mebibyte,
      bytesRestored: 3 * mebibyte,
    };
    assert.equal(restoreSummary(all, 65_000), 'Summary: Restored 12 files/dirs (3.000 MiB) in 1:05');
    const some = {
      ...all,
      filesRestored: 7,
      bytesRestored: mebibyte,
      filesSkipped: 2,
      bytesSkipped: 5,
      filesDeleted: 1,
    };
    assert.equal(
      restoreSummary(some, 5000),
      'Summary: Restored 7 / 12 files/dirs (1.000 MiB / 3.000 MiB) in 0:05, skipped 2 files/dirs 5 B, deleted 1 files/dirs',
    );
  });

  test('meanwhile has throughput and the time left', () => {
    const counts = {
      ...none,
      filesTotal: 12,
      filesRestored: 3,
      bytesTotal: 4 * mebibyte,
      bytesRestored: mebibyte,
    };
    assert.equal(
      restoreStatus(counts, 2000, mebibyte / 2),
      '[0:02] 25.00%  3 files/dirs 1.000 MiB, total 12 files/dirs 4.000 MiB, 512.000 KiB/s ETA 0:06',
    );
    assert.equal(restoreStatus(none, 10, 0), '[0:00]   0 files/dirs 0 B, total 0 files/dirs 0 B');
  });

  test('as JSON has restic’s fields, without those that are zero', () => {
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    assert.deepEqual(plain(restoreMessage('status', none, 10)), { message_type: 'status', percent_done: 0 });
    const counts = {
      ...none,
      filesTotal: 4,
      filesRestored: 3,
      filesSkipped: 1,
      bytesTotal: 8,
      bytesRestored: 2,
    };
    assert.deepEqual(plain(restoreMessage('status', counts, 3500)), {
      message_type: 'status',
      seconds_elapsed: 3,
      percent_done: 0.25,
      total_files: 4,
      files_restored: 3,
      files_skipped: 1,
      total_bytes: 8,
      bytes_restored: 2,
    });
    assert.deepEqual(plain(restoreMessage('summary', none, 10)), { message_type: 'summary' });
  });
});
