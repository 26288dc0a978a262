/**
 * Loads the index of the repository named by the argument and prints what it holds in memory, as JSON. A
 * process of its own, started with --expose-gc.
 */
import { openAt } from '../../src/app/connect.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { benchPassword } from '../programs/program.ts';

const repository = await openAt(process.argv[2]!, benchPassword);

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

const before = heapBytes();
const index = await loadIndex(repository);
const { control, entries, slots } = index.table.memory;
console.log(
  JSON.stringify({
    heapBytes: heapBytes() - before,
    tableBytes: control.byteLength + entries.byteLength + slots.byteLength,
    blobs: index.table.count(),
    packs: index.packCount(),
  }),
);
