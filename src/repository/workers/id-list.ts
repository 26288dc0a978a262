/** A growing list of IDs in one piece of memory. */
export interface IdList {
  /** Copies the 32 bytes. */
  push(id: Uint8Array): void;
  count(): number;
  /** Forgets all beyond the first `count`. */
  truncate(count: number): void;
  /** A copy of all IDs, one after the other. */
  bytes(): Uint8Array;
}

const idBytes = 32;

export function createIdList(expected: number): IdList {
  let memory = new Uint8Array(Math.max(1, expected) * idBytes);
  let used = 0;
  return {
    push(id) {
      if (used + idBytes > memory.length) {
        const larger = new Uint8Array(memory.length * 2);
        larger.set(memory);
        memory = larger;
      }
      memory.set(id, used);
      used += idBytes;
    },
    count: () => used / idBytes,
    truncate(count) {
      used = count * idBytes;
    },
    bytes: () => memory.slice(0, used),
  };
}
