import type { VolumeTarget } from './volume-output.ts';

/** Joins what is written into pieces of one size. */
export interface Pieces {
  write(bytes: Uint8Array): Promise<void>;
  /** Writes what is left, and resolves when the target has taken everything. */
  flush(): Promise<void>;
}

/** While a piece is on its way the next one is filled. */
export function createPieces(target: Pick<VolumeTarget, 'write'>, pieceBytes: number): Pieces {
  let filling = Buffer.allocUnsafeSlow(pieceBytes);
  let spare = Buffer.allocUnsafeSlow(pieceBytes);
  let used = 0;
  let writing: Promise<void> = Promise.resolve();

  async function send(): Promise<void> {
    await writing;
    const full = filling.subarray(0, used);
    filling = spare;
    spare = full.buffer.byteLength === pieceBytes ? Buffer.from(full.buffer) : spare;
    used = 0;
    writing = target.write(full);
    // Whoever writes or flushes next is told; until then it is nobody's.
    writing.catch(() => undefined);
  }

  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done, done + pieceBytes - used);
        filling.set(part, used);
        used += part.length;
        done += part.length;
        if (used === pieceBytes) await send();
      }
    },
    async flush() {
      if (used > 0) await send();
      await writing;
    },
  };
}
