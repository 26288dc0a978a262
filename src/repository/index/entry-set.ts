/** A set of entry numbers of the index's table: one bit each, in memory that all threads share. */
export interface EntrySet {
  readonly memory: SharedArrayBuffer;
  has(entry: number): boolean;
  /** Returns whether the entry was not in the set before; of several threads exactly one is told so. */
  add(entry: number): boolean;
  size(): number;
  /** Calls back with each entry that is in this set and not in the other of the same capacity, in order. */
  eachNotIn(other: EntrySet, visit: (entry: number) => void): void;
}

/** @param capacity the table's number of entries; the set cannot grow. */
export function createEntrySet(capacity: number): EntrySet {
  return openEntrySet(new SharedArrayBuffer(4 * Math.ceil(capacity / 32)));
}

export function openEntrySet(memory: SharedArrayBuffer): EntrySet {
  const words = new Int32Array(memory);
  return {
    memory,
    has: (entry) => ((words[entry >>> 5]! >>> (entry & 31)) & 1) === 1,
    add(entry) {
      const bit = 1 << (entry & 31);
      return (Atomics.or(words, entry >>> 5, bit) & bit) === 0;
    },
    size() {
      let total = 0;
      for (let word of words) for (; word !== 0; word &= word - 1) total++;
      return total;
    },
    eachNotIn(other, visit) {
      const others = new Int32Array(other.memory);
      for (let word = 0; word < words.length; word++) {
        let bits = words[word]! & ~others[word]!;
        for (; bits !== 0; bits &= bits - 1) visit(word * 32 + 31 - Math.clz32(bits & -bits));
      }
    },
  };
}
