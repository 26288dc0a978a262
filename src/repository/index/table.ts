/**
 * The index in memory: one hash table of fixed-width entries in shared memory, which every worker thread
 * reads without asking anyone, and in which workers claim new blobs so that no two store the same one.
 *
 * An entry is 12 words (48 bytes): ID (8), pack number with the blob type in its top bit, offset, stored
 * length, uncompressed length. Slots hold entry number + 1; open addressing, at most two thirds full. So a
 * blob costs 48 bytes and 6 to 12 bytes of slots. Entries are append-only; equal blobs in several packs
 * have several entries, found one after the other.
 *
 * Readers never lock. Writers do (a futex). A reader that met a table being rebuilt looks again: the
 * sequence word is odd during a rebuild and changes with it.
 */

export type BlobType = 'data' | 'tree';

export interface TableMemory {
  readonly control: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

const entryWords = 12;
const entryBytes = entryWords * 4;
const packWord = 8;
const offsetWord = 9;
const lengthWord = 10;
const plainWord = 11;
const typeBit = 0x80000000;

/** Pack number of a blob that a worker has claimed and that is not yet in a stored pack. */
export const pendingPack = 0x7fffffff;

const controlLock = 0;
const controlSequence = 1;
const controlCount = 2;
const controlSlotBits = 3;
const controlEntryCapacity = 4;

const entriesBytesMax = 48 * 2 ** 30;
const slotsBytesMax = 8 * 2 ** 30;
const firstSlotBits = 12;
const firstEntries = 2048;

export interface BlobLocation {
  readonly pack: number;
  readonly offset: number;
  readonly length: number;
  /** 0 where the blob is stored uncompressed. */
  readonly uncompressedLength: number;
}

export interface BlobTable {
  readonly memory: TableMemory;
  /** Number of entries, duplicates counted. */
  count(): number;
  /** Entry number of the first copy of a blob that is stored or claimed, or −1. `id` is 32 bytes. */
  find(type: BlobType, id: Uint8Array): number;
  /** All entries of a blob. */
  findAll(type: BlobType, id: Uint8Array): number[];
  /** Adds an entry; the same blob at the same place a second time is ignored. Returns its number. */
  add(type: BlobType, id: Uint8Array, location: BlobLocation): number;
  /** Claims a blob for storing. Returns its entry number, or −1 where it is stored or claimed already. */
  claim(type: BlobType, id: Uint8Array): number;
  /** Says where a claimed blob has been stored. */
  settle(entry: number, location: BlobLocation): void;
  typeOf(entry: number): BlobType;
  locationOf(entry: number): BlobLocation;
  packOf(entry: number): number;
  /** Stored bytes of an entry's blob. */
  lengthOf(entry: number): number;
  /** Whether the blob is stored compressed. */
  isCompressed(entry: number): boolean;
  /** The entry that `find` answers for this entry's blob: the one of its copies that was added first. */
  firstCopyOf(entry: number): number;
  /** Copies the 32 bytes of an entry's ID. */
  copyId(entry: number, target: Uint8Array): void;
}

export function createTableMemory(): TableMemory {
  const control = new SharedArrayBuffer(64);
  const entries = new SharedArrayBuffer(firstEntries * entryBytes, { maxByteLength: entriesBytesMax });
  const slots = new SharedArrayBuffer(4 << firstSlotBits, { maxByteLength: slotsBytesMax });
  const words = new Int32Array(control);
  words[controlSlotBits] = firstSlotBits;
  words[controlEntryCapacity] = firstEntries;
  return { control, entries, slots };
}

export function openTable(memory: TableMemory): BlobTable {
  const control = new Int32Array(memory.control);
  // Views of fixed length: length-tracking views of growable memory are forty times slower (V8 14.6).
  let entries = new Uint32Array(memory.entries, 0, memory.entries.byteLength / 4);
  let slots = new Uint32Array(memory.slots, 0, 1 << firstSlotBits);
  let slotBits = 0;
  const key = Buffer.alloc(32);
  const keyWords = new Uint32Array(key.buffer, key.byteOffset, 8);

  function refreshViews(): void {
    if (entries.byteLength !== memory.entries.byteLength)
      entries = new Uint32Array(memory.entries, 0, memory.entries.byteLength / 4);
    slotBits = control[controlSlotBits]!;
    slots = new Uint32Array(memory.slots, 0, 2 ** slotBits);
  }
  refreshViews();
  let seenSequence = Atomics.load(control, controlSequence);

  function lock(): void {
    while (Atomics.compareExchange(control, controlLock, 0, 1) !== 0)
      Atomics.wait(control, controlLock, 1, 1);
    const sequence = Atomics.load(control, controlSequence);
    if (sequence !== seenSequence) {
      refreshViews();
      seenSequence = sequence;
    }
  }

  function unlock(): void {
    Atomics.store(control, controlLock, 0);
    Atomics.notify(control, controlLock, 1);
  }

  const matches = (entry: number, typeFlag: number): boolean => {
    const at = entry * entryWords;
    return (
      entries[at] === keyWords[0] &&
      entries[at + 1] === keyWords[1] &&
      entries[at + 2] === keyWords[2] &&
      entries[at + 3] === keyWords[3] &&
      entries[at + 4] === keyWords[4] &&
      entries[at + 5] === keyWords[5] &&
      entries[at + 6] === keyWords[6] &&
      entries[at + 7] === keyWords[7] &&
      (entries[at + packWord]! & typeBit) === (typeFlag | 0)
    );
  };

  /** Walks the slots from the key's home; calls back for each entry of the key until it returns true. */
  function probe(typeFlag: number, found: (entry: number) => boolean): void {
    const mask = 2 ** slotBits - 1;
    for (let at = keyWords[0]! & mask; ; at = (at + 1) & mask) {
      const slot = Atomics.load(slots, at);
      if (slot === 0) return;
      if (matches(slot - 1, typeFlag) && found(slot - 1)) return;
    }
  }

  function findHeld(typeFlag: number): number {
    const mask = 2 ** slotBits - 1;
    for (let at = keyWords[0]! & mask; ; at = (at + 1) & mask) {
      const slot = Atomics.load(slots, at);
      if (slot === 0) return -1;
      if (matches(slot - 1, typeFlag)) return slot - 1;
    }
  }

  /** Runs a lookup so that a rebuild by another thread cannot make it miss. */
  function consistently<T>(look: () => T): T {
    for (;;) {
      const before = Atomics.load(control, controlSequence);
      if (before & 1) {
        Atomics.wait(control, controlSequence, before, 1);
        continue;
      }
      if (before !== seenSequence) {
        refreshViews();
        seenSequence = before;
      }
      const result = look();
      if (Atomics.load(control, controlSequence) === before) return result;
    }
  }

  function growEntries(): void {
    const capacity = control[controlEntryCapacity]!;
    const more = Math.min(Math.max(Math.floor(capacity / 2), firstEntries), 1 << 20);
    beginRebuild();
    memory.entries.grow((capacity + more) * entryBytes);
    control[controlEntryCapacity] = capacity + more;
    endRebuild();
  }

  function growSlots(): void {
    beginRebuild();
    const bits = slotBits + 1;
    memory.slots.grow(4 * 2 ** bits);
    control[controlSlotBits] = bits;
    refreshViews();
    slots.fill(0);
    const mask = 2 ** bits - 1;
    const total = control[controlCount]!;
    for (let entry = 0; entry < total; entry++) {
      let at = entries[entry * entryWords]! & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = entry + 1;
    }
    endRebuild();
  }

  function beginRebuild(): void {
    Atomics.add(control, controlSequence, 1);
  }

  function endRebuild(): void {
    refreshViews();
    seenSequence = Atomics.add(control, controlSequence, 1) + 1;
    Atomics.notify(control, controlSequence);
  }

  function append(typeFlag: number, location: BlobLocation): number {
    const entry = control[controlCount]!;
    if (entry >= control[controlEntryCapacity]!) growEntries();
    if ((entry + 1) * 3 > 2 ** slotBits * 2) growSlots();
    const at = entry * entryWords;
    for (let word = 0; word < 8; word++) entries[at + word] = keyWords[word]!;
    write(entry, typeFlag, location);
    control[controlCount] = entry + 1;
    const mask = 2 ** slotBits - 1;
    let slot = keyWords[0]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    Atomics.store(slots, slot, entry + 1);
    return entry;
  }

  function write(entry: number, typeFlag: number, location: BlobLocation): void {
    const at = entry * entryWords;
    entries[at + offsetWord] = location.offset;
    entries[at + lengthWord] = location.length;
    entries[at + plainWord] = location.uncompressedLength;
    entries[at + packWord] = (location.pack | typeFlag) >>> 0;
  }

  const flagOf = (type: BlobType): number => (type === 'tree' ? typeBit : 0);
  const pending: BlobLocation = { pack: pendingPack, offset: 0, length: 0, uncompressedLength: 0 };

  /** Entries that another thread appended may lie beyond this thread's view. */
  const viewOf = (entry: number): Uint32Array => {
    if ((entry + 1) * entryWords > entries.length) refreshViews();
    return entries;
  };

  return {
    memory,
    count: () => Atomics.load(control, controlCount),
    find(type, id) {
      key.set(id);
      const flag = flagOf(type);
      return consistently(() => findHeld(flag));
    },
    findAll(type, id) {
      key.set(id);
      const flag = flagOf(type);
      return consistently(() => {
        const all: number[] = [];
        probe(flag, (entry) => {
          all.push(entry);
          return false;
        });
        return all;
      });
    },
    add(type, id, location) {
      key.set(id);
      const flag = flagOf(type);
      lock();
      let same = -1;
      probe(flag, (entry) => {
        const at = entry * entryWords;
        if (
          entries[at + packWord] !== (location.pack | flag) >>> 0 ||
          entries[at + offsetWord] !== location.offset
        )
          return false;
        same = entry;
        return true;
      });
      const entry = same >= 0 ? same : append(flag, location);
      unlock();
      return entry;
    },
    claim(type, id) {
      key.set(id);
      const flag = flagOf(type);
      if (consistently(() => findHeld(flag)) >= 0) return -1;
      lock();
      const entry = findHeld(flag) >= 0 ? -1 : append(flag, pending);
      unlock();
      return entry;
    },
    settle(entry, location) {
      lock();
      viewOf(entry);
      write(entry, entries[entry * entryWords + packWord]! & typeBit, location);
      unlock();
    },
    typeOf: (entry) => ((viewOf(entry)[entry * entryWords + packWord]! & typeBit) === 0 ? 'data' : 'tree'),
    packOf: (entry) => viewOf(entry)[entry * entryWords + packWord]! & ~typeBit,
    lengthOf: (entry) => viewOf(entry)[entry * entryWords + lengthWord]!,
    isCompressed: (entry) => viewOf(entry)[entry * entryWords + plainWord]! !== 0,
    firstCopyOf(entry) {
      const words = viewOf(entry);
      const at = entry * entryWords;
      for (let word = 0; word < 8; word++) keyWords[word] = words[at + word]!;
      const flag = words[at + packWord]! & typeBit;
      return consistently(() => findHeld(flag));
    },
    locationOf(entry) {
      const words = viewOf(entry);
      const at = entry * entryWords;
      return {
        pack: words[at + packWord]! & ~typeBit,
        offset: words[at + offsetWord]!,
        length: words[at + lengthWord]!,
        uncompressedLength: words[at + plainWord]!,
      };
    },
    copyId(entry, target) {
      const words = viewOf(entry);
      Buffer.from(words.buffer, entry * entryBytes, 32).copy(
        Buffer.from(target.buffer, target.byteOffset, 32),
      );
    },
  };
}
