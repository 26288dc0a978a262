import { parentPort } from 'node:worker_threads';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { type ArchiveStore, createArchiveStore } from '../engine/journal/push/store.ts';
import { readWholeAtOnce } from '../engine/journal/push/whole-file.ts';
import type { Envelope } from '../journal/envelope.ts';
import { createSealer, type MasterKey } from '../repository/crypto.ts';
import { createEnvelopeCodec } from '../repository/envelope-codec.ts';
import type { ArchiveAnswer, ArchiveJob, ArchiveSetup } from './archive-threads.ts';
import { storageAt } from './connect.ts';

/** A thread that reads, seals and stores archived files, one after the other. */

/** The facts of a piece go before its bytes: with room for them there, the bytes need not be moved. */
const headroomBytes = 64 * 1024;
const keptBytes = 16 * 2 ** 20;

let arena = Buffer.alloc(0);

function memory(length: number): Buffer {
  if (arena.length < headroomBytes + length) {
    arena = Buffer.allocUnsafeSlow(headroomBytes + Math.max(length, keptBytes));
  }
  return arena.subarray(headroomBytes, headroomBytes + length);
}

/** The parts as one, in place where the last of them lies in the arena. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const body = parts.at(-1)!;
  const head = parts.slice(0, -1);
  const headBytes = head.reduce((sum, part) => sum + part.length, 0);
  const inArena = body.buffer === arena.buffer && body.byteOffset === arena.byteOffset + headroomBytes;
  if (!inArena || headBytes > headroomBytes) return Buffer.concat(parts);
  let at = headroomBytes - headBytes;
  for (const part of head) {
    arena.set(part, at);
    at += part.length;
  }
  return arena.subarray(headroomBytes - headBytes, headroomBytes + body.length);
}

/** Buffers arrive as plain arrays. */
function asBuffers({ encryption, macK, macR }: MasterKey): MasterKey {
  return { encryption: Buffer.from(encryption), macK: Buffer.from(macK), macR: Buffer.from(macR) };
}

function openStore({ places, ...more }: ArchiveSetup): ArchiveStore {
  return createArchiveStore({
    ...more,
    read: (path) => readWholeAtOnce(path, memory),
    places: places.map(({ name, location, master }) => {
      // One file at a time, and a place stores what was sealed before the next is.
      const codec = createEnvelopeCodec(createSealer(asBuffers(master)), { reuseSealed: true });
      const envelope: Envelope = {
        seal: async (parts) => codec.seal(joined(parts)),
        open: async (stored, object) => codec.open(stored, object),
      };
      return { name, storage: storageAt(location), envelope };
    }),
  });
}

const port = parentPort;
if (port === null) throw new LifeboatError('internal', 'this module runs as a thread');
let store: ArchiveStore | null = null;

async function work(message: ArchiveSetup | ArchiveJob): Promise<void> {
  if ('places' in message) {
    store = openStore(message);
    return;
  }
  const { job, path, mustBeReady } = message;
  let answer: ArchiveAnswer;
  try {
    if (!store) throw new LifeboatError('internal', 'a thread got a file before its setup');
    answer = { job, status: await store.store(path, mustBeReady), error: null };
  } catch (error) {
    const known = error instanceof LifeboatError ? error : null;
    const code = known?.code ?? 'internal';
    answer = { job, status: null, error: { code, message: messageOf(error), hint: known?.hint ?? null } };
  }
  port!.postMessage(answer);
}

let queue: Promise<void> = Promise.resolve();
port.on('message', (message: ArchiveSetup | ArchiveJob) => {
  queue = queue.then(() => work(message));
});
