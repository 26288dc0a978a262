import { coverageOf } from '../../src/journal/coverage.ts';
import type { JournalPlace } from '../../src/journal/envelope.ts';
import { listPieces } from '../../src/journal/list.ts';
import { loadUnit } from '../../src/journal/load-unit.ts';
import { type Lsn, segmentAt, segmentName, type WalRange } from '../../src/model/wal.ts';
import { createSealer } from '../../src/repository/crypto.ts';
import { createEnvelopeCodec } from '../../src/repository/envelope-codec.ts';
import { generateMasterKey } from '../../src/repository/keys.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { type MemoryStorage, memoryStorage } from '../damage/memory-storage.ts';

/** Journals in memory with the real envelope and segments so small that tests fill many. */

export const stream = { source: 'app-db', stream: '7301234567890123456' };
export const unitBytes = 4096;

export interface MemoryPlace extends JournalPlace {
  readonly storage: MemoryStorage;
}

export function memoryPlace(name = 'local'): MemoryPlace {
  const codec = createEnvelopeCodec(createSealer(generateMasterKey()));
  return {
    name,
    storage: memoryStorage(),
    envelope: {
      seal: async (parts) => codec.seal(Buffer.concat(parts)),
      open: async (stored, key) => codec.open(stored, key),
    },
  };
}

/** The same journal behind another storage, such as a faulty one. */
export function behind(place: JournalPlace, storage: Storage): JournalPlace {
  return { ...place, storage };
}

/** A log in which every byte depends on its position and the seed. */
export function logOf(bytes: number, seed = 1): Buffer {
  const log = Buffer.allocUnsafe(bytes);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Half of it compresses, as WAL does.
    log[at] = at % 64 < 32 ? 0 : state >>> 24;
  }
  return log;
}

export function unitOf(lsn: Lsn, timeline = 1, bytes = unitBytes): string {
  return segmentName(segmentAt(timeline, lsn, bytes), bytes);
}

export async function coverageIn(place: JournalPlace): Promise<WalRange[]> {
  return coverageOf(await listPieces(place, stream), unitBytes);
}

/** Puts the log from 0 to where it ends together from what is stored. */
export async function storedLog(place: JournalPlace, timeline = 1): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let lsn = 0n; ; lsn += BigInt(unitBytes)) {
    const { bytes, end } = await loadUnit(place, stream, unitOf(lsn, timeline), unitBytes, null);
    parts.push(bytes.subarray(0, end));
    if (end < unitBytes) return Buffer.concat(parts);
  }
}
