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

/** Bytes up to the last that was written: room to grow that was never touched takes no memory yet. */
function writtenBytes(memory: SharedArrayBuffer): number {
  const words = new Uint32Array(memory, 0, memory.byteLength >> 2);
  let end = words.length;
  while (end > 0 && words[end - 1] === 0) end--;
  return 4 * end;
}

const before = heapBytes();
const index = await loadIndex(repository);
const { control, entries, slots } = index.table.memory;
console.log(
  JSON.stringify({
    heapBytes: heapBytes() - before,
    tableBytes: writtenBytes(control) + writtenBytes(entries) + writtenBytes(slots),
    blobs: index.table.count(),
    packs: index.packCount(),
  }),
);
