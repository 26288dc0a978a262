import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { counterLine, progressIntervalMs, showCounter, transferLines, transferMessage } from './progress.ts';
import { createRateMeter } from './rate-meter.ts';
import { Output } from './terminal.ts';
import { recordingStream } from './testing.ts';

const mebibyte = 1024 * 1024;

function outputOn(isTTY: boolean, more: { json?: boolean; verbosity?: 0 | 1 } = {}): Output {
  return new Output({ stdout: recordingStream({ isTTY }), stderr: recordingStream(), ...more });
}

describe('progress', () => {
  it('is shown on a terminal and with --json, elsewhere when a rate is asked for', () => {
    assert.equal(progressIntervalMs(outputOn(true), {}), 100);
    assert.equal(progressIntervalMs(outputOn(false), {}), 0);
    assert.equal(progressIntervalMs(outputOn(false, { json: true }), {}), 100);
    assert.equal(progressIntervalMs(outputOn(true, { verbosity: 0 }), {}), 0);
    assert.equal(progressIntervalMs(outputOn(false), { RESTIC_PROGRESS_FPS: '0.5' }), 2000);
    assert.equal(
      progressIntervalMs(outputOn(false), { RESTIC_PROGRESS_FPS: '2', LIFEBOAT_PROGRESS_FPS: '4' }),
      250,
    );
    assert.equal(progressIntervalMs(outputOn(false), { RESTIC_PROGRESS_FPS: '1000' }), 1000 / 60);
  });

  it('tells percent, throughput and time left once the scan has ended', () => {
    const state = {
      filesDone: 2,
      bytesDone: 10 * mebibyte,
      filesTotal: 8,
      bytesTotal: 40 * mebibyte,
      errors: 1,
      currentFiles: ['/b', '/a\n'],
    };
    assert.deepEqual(transferLines(state, 65_000, mebibyte), [
      '[1:05] 25.00%  2 files 10.000 MiB, total 8 files 40.000 MiB, 1.000 MiB/s, 1 errors ETA 0:30',
      '"/a\\n"',
      '/b',
    ]);
    assert.deepEqual(transferMessage(state, 65_000, mebibyte), {
      message_type: 'status',
      seconds_elapsed: 65,
      seconds_remaining: 30,
      percent_done: 0.25,
      total_files: 8,
      files_done: 2,
      total_bytes: 40 * mebibyte,
      bytes_done: 10 * mebibyte,
      error_count: 1,
      current_files: ['/a\n', '/b'],
    });
  });

  it('tells what was done while the scan is under way', () => {
    const state = { filesDone: 2, bytesDone: 512, errors: 0, currentFiles: [] };
    assert.deepEqual(transferLines(state, 500, 0), ['[0:00] 2 files, 512 B, 0 errors']);
    assert.equal(
      JSON.stringify(transferMessage(state, 500, 0)),
      '{"message_type":"status","percent_done":0,"files_done":2,"bytes_done":512}',
    );
  });

  it('counts things, and leaves its last line', async () => {
    assert.equal(counterLine(3, 0, 'packs', 5000), '[0:05]          3 packs');
    const stdout = recordingStream();
    const output = new Output({ stdout, stderr: recordingStream() });
    const counter = showCounter(output, {}, 'packs', 4);
    counter.add(3);
    counter.stop();
    counter.stop();
    await output.close();
    assert.equal(stdout.text(), '[0:00] 75.00%  3 / 4 packs\n');
  });
});

describe('the rate meter', () => {
  it('follows the last half minute', () => {
    const meter = createRateMeter(30_000);
    assert.equal(meter.bytesPerSecond(), 0);
    for (let s = 1; s <= 60; s++) meter.observe(s * 1000, s * 100);
    for (let s = 61; s <= 120; s++) meter.observe(s * 1000, 6000 + (s - 60) * 10);
    assert.equal(Math.round(meter.bytesPerSecond()), 10);
  });

  it('keeps few observations however often it is asked', () => {
    const meter = createRateMeter(1000);
    for (let ms = 1; ms <= 10_000; ms++) meter.observe(ms, ms);
    assert.equal(Math.round(meter.bytesPerSecond()), 1000);
  });
});
