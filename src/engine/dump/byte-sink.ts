/** Where the bytes of an archive go. A write resolves when there is room for more. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

const pendingBytesMax = 256 * 1024;

/** Joins small writes, so that headers and small files do not each cost a call. `flush` it at the end. */
export function bufferedSink(sink: ByteSink): ByteSink & { flush(): Promise<void> } {
  let buffer = Buffer.allocUnsafeSlow(pendingBytesMax);
  let used = 0;

  async function flush(): Promise<void> {
    if (used === 0) return;
    const full = buffer.subarray(0, used);
    // The sink may still hold these bytes when the next ones come.
    buffer = Buffer.allocUnsafeSlow(pendingBytesMax);
    used = 0;
    await sink.write(full);
  }

  return {
    flush,
    async write(bytes) {
      if (used + bytes.length > pendingBytesMax) await flush();
      if (bytes.length > pendingBytesMax / 2) {
        await flush();
        await sink.write(bytes);
        return;
      }
      buffer.set(bytes, used);
      used += bytes.length;
    },
  };
}
