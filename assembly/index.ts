export { pageScan, pageSum } from './page-checksum';
export { polyFinal, polyInit, polyInput, polyKey, polyTag, polyUpdate } from './poly1305';
export { rabinAverage, rabinScan, rabinTables } from './rabin';

/** First address behind the module's own data. */
export function heapBase(): usize {
  return __heap_base;
}
