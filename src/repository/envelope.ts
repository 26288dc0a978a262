import { hasCode } from '../core/errors.ts';
import { createEnvelopeCodec, type EnvelopeCodec } from './envelope-codec.ts';
import type { Repository } from './repository.ts';
import { openPool, type WorkerPool } from './workers/pool.ts';
import type { Jobs } from './workers/protocol.ts';
import { threadsDefault } from './workers/threads.ts';

/** Seals and opens in the repository's own envelope (`envelope-codec.ts`). */
export interface JournalEnvelope {
  /**
   * @param parts the content, concatenated; may be reused once the promise has resolved.
   * @returns what to store; it was opened again and compared.
   */
  seal(parts: readonly Uint8Array[]): Promise<Uint8Array>;
  /** @throws LifeboatError `journal-damaged` naming the object. */
  open(stored: Uint8Array, name: string): Promise<Uint8Array>;
  /** Ends the threads, if any were started. Idle ones do not keep the process alive. */
  close(): Promise<void>;
}

export interface JournalEnvelopeOptions {
  /** Threads for what is large; 0: everything is done at once in the calling thread. */
  readonly threads?: number;
}

/** Less than this is done sooner than a thread could be asked: about a millisecond. */
const threadFromBytes = 256 * 1024;
const keptBuffersMax = 4;
const keptBufferBytesMax = 20 * 2 ** 20;

/** Memory that threads read without copying it; handed out again, since fresh pages cost as much as a copy. */
function createSharedBuffers() {
  const free: SharedArrayBuffer[] = [];
  return {
    take(length: number): SharedArrayBuffer {
      const at = free.findIndex((buffer) => buffer.byteLength >= length);
      return at >= 0 ? free.splice(at, 1)[0]! : new SharedArrayBuffer(length + (length >> 4));
    },
    give(buffer: SharedArrayBuffer): void {
      if (free.length < keptBuffersMax && buffer.byteLength <= keptBufferBytesMax) free.push(buffer);
    },
  };
}

export function journalEnvelope(
  repository: Repository,
  options: JournalEnvelopeOptions = {},
): JournalEnvelope {
  const threads = options.threads ?? threadsDefault();
  const buffers = createSharedBuffers();
  let codec: EnvelopeCodec | undefined;
  let pool: WorkerPool | undefined;
  const here = (): EnvelopeCodec => (codec ??= createEnvelopeCodec(repository.sealer));
  async function there<N extends 'seal' | 'open'>(name: N, input: Jobs[N]['input']): Promise<Uint8Array> {
    const used = (pool ??= openPool(repository, { workers: threads, unrefIdle: true }));
    try {
      return await used.run(name, input);
    } catch (error) {
      // A pool whose thread has died takes no more jobs; the next one gets new threads.
      if (hasCode(error, 'internal') && pool === used) {
        pool = undefined;
        await used.close();
      }
      throw error;
    }
  }

  return {
    async seal(parts) {
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      if (threads === 0 || length < threadFromBytes) return here().seal(Buffer.concat(parts, length));
      const buffer = buffers.take(length);
      const plain = new Uint8Array(buffer, 0, length);
      let at = 0;
      for (const part of parts) {
        plain.set(part, at);
        at += part.length;
      }
      const sealed = await there('seal', { plain });
      buffers.give(buffer);
      return sealed;
    },
    async open(stored, name) {
      if (threads === 0 || stored.length < threadFromBytes / 8) return here().open(stored, name);
      // A view of a larger buffer would be handed over with all of that.
      const whole = stored.byteLength === stored.buffer.byteLength ? stored : Uint8Array.from(stored);
      return there('open', { stored: whole, name });
    },
    async close() {
      await pool?.close();
      pool = undefined;
    },
  };
}
