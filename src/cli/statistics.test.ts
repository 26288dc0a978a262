import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sizeHistogram } from '../engine/stats/size-histogram.ts';
import { histogramLines, statisticsJson, statisticsLines } from './statistics.ts';

test('statistics name only what there is', () => {
  assert.deepEqual(statisticsLines('restore-size', { snapshots: 3, files: 53, blobs: 0, bytes: 9_000_060 }), [
    'Stats in restore-size mode:',
    '     Snapshots processed:  3',
    '        Total File Count:  53',
    '              Total Size:  8.583 MiB',
  ]);
  const raw = {
    snapshots: 1,
    files: 0,
    blobs: 26,
    bytes: 500,
    uncompressedBytes: 1000,
    compression: { ratio: 2, progressPercent: 100, savingPercent: 50 },
  };
  assert.deepEqual(statisticsLines('raw-data', raw), [
    'Stats in raw-data mode:',
    '     Snapshots processed:  1',
    '        Total Blob Count:  26',
    ' Total Uncompressed Size:  1000 B',
    '              Total Size:  500 B',
    '    Compression Progress:  100.00%',
    '       Compression Ratio:  2.00x',
    'Compression Space Saving:  50.00%',
  ]);
  assert.equal(
    statisticsJson(raw),
    '{"total_size":500,"total_uncompressed_size":1000,"compression_ratio":2,"compression_progress":100,"compression_space_saving":50,"total_blob_count":26,"snapshots_count":1}',
  );
});

test('sizes are counted by powers of ten', () => {
  assert.deepEqual(histogramLines(sizeHistogram([5, 70, 80, 5000, 70_000], 20_000)), [
    'Count: 5',
    'Total Size: 73.394 KiB',
    'Size              Count',
    '-----------------------',
    '      1 - 9 Byte  1',
    '    10 - 99 Byte  2',
    '  100 - 999 Byte  0',
    '1000 - 9999 Byte  1',
    '-----------------------',
    'Oversized: [70000]',
  ]);
});
