import { Socket } from 'node:net';

/**
 * A socket for streams of gigabytes. Node reads at most 64 KiB at a time, each into new memory; into memory given to
 * it, it takes as much as has arrived, for half the time of the processor. That memory is used again where whoever
 * reads gives it back.
 */

const slabBytes = 1024 * 1024;
/** Below this the rest of a slab is left: reads would become small. */
const readBytesMin = 128 * 1024;

interface Slab {
  readonly memory: Buffer;
  used: number;
  /** Chunks of it that were not given back. */
  out: number;
}

/** Memory that is filled chunk by chunk. */
export class Slabs {
  #current: Slab = this.#make();
  readonly #free: Slab[] = [];
  readonly #owners = new WeakMap<Buffer, Slab>();

  #make(): Slab {
    return { memory: Buffer.allocUnsafeSlow(slabBytes), used: 0, out: 0 };
  }

  /** Where the next bytes go: what is given back goes on to be used from here. */
  next(): Buffer {
    if (this.#current.memory.length - this.#current.used < readBytesMin) {
      if (this.#current.out === 0) this.#current.used = 0;
      else this.#current = this.#free.pop() ?? this.#make();
    }
    return this.#current.memory.subarray(this.#current.used);
  }

  /** The first bytes of what `next` gave were filled. */
  filled(bytes: number): Buffer {
    const slab = this.#current;
    const chunk = slab.memory.subarray(slab.used, slab.used + bytes);
    slab.used += bytes;
    slab.out++;
    this.#owners.set(chunk, slab);
    return chunk;
  }

  /** Nobody reads the chunk any more. */
  release(chunk: Buffer): void {
    const slab = this.#owners.get(chunk);
    if (!slab) return;
    this.#owners.delete(chunk);
    if (--slab.out > 0 || slab === this.#current) return;
    slab.used = 0;
    this.#free.push(slab);
  }
}

/** Tells of data by `data` as other sockets do. For connections without TLS. */
export class LargeReadSocket extends Socket {
  readonly slabs: Slabs;

  constructor() {
    const slabs = new Slabs();
    const take = (bytes: number): boolean => {
      tell(slabs.filled(bytes));
      return true;
    };
    let tell: (chunk: Buffer) => void = () => undefined;
    const onread = { buffer: () => slabs.next(), callback: take };
    super({ onread } as ConstructorParameters<typeof Socket>[0]);
    this.slabs = slabs;
    tell = (chunk) => this.emit('data', chunk);
  }
}
