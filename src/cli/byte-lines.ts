import type { ByteString } from '../core/bytestring.ts';
import type { Output } from './terminal.ts';

/** Bytes collected before they are written. */
const pendingBytesMax = 64 * 1024;

/** Lines of a result that may hold names which are no text; they leave as the bytes that they are. */
export interface ByteLines {
  /** Resolves when there is room for more; undefined when there is at once. */
  line(bytes: ByteString): Promise<void> | undefined;
  /** Without a line end. */
  text(bytes: ByteString): Promise<void> | undefined;
  /** Writes what is pending; call it at the end. */
  flush(): Promise<void>;
}

export function createByteLines(output: Output): ByteLines {
  let pending: string[] = [];
  let pendingBytes = 0;

  async function flush(): Promise<void> {
    if (pending.length === 0) return;
    const chunk = Buffer.from(pending.join(''), 'latin1');
    pending = [];
    pendingBytes = 0;
    await output.write(chunk);
  }

  function text(bytes: string): Promise<void> | undefined {
    pending.push(bytes);
    pendingBytes += bytes.length;
    return pendingBytes >= pendingBytesMax ? flush() : undefined;
  }

  return { line: (bytes) => text(`${bytes}\n`), text, flush };
}
