import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Takes the content of requests into memory, whole and checked, before anything of it is stored. */

export interface Upload {
  readonly parts: readonly Buffer[];
  readonly bytes: number;
  readonly sha256: string;
  /** Gives back the room that the content took. */
  release(): void;
}

/** What is wrong with a request; the status tells the client. */
export class RequestRefused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Of one object. Packs of restic are at most 128 MiB and a blob. */
export const objectBytesMax = 256 * 1024 * 1024;
/** Of all objects that are being received. */
const receivingBytesMax = 512 * 1024 * 1024;

export interface Uploads {
  /** Waits for room, then reads. @throws RequestRefused; the error of a connection that broke off. */
  receive(request: IncomingMessage): Promise<Upload>;
}

export function uploads(): Uploads {
  let free = receivingBytesMax;
  const waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  const letIn = (): void => {
    while (waiting[0] && waiting[0].bytes <= free) {
      const next = waiting.shift()!;
      free -= next.bytes;
      next.go();
    }
  };
  const takeRoom = (bytes: number): Promise<void> =>
    new Promise((go) => {
      waiting.push({ bytes, go });
      letIn();
    });

  return {
    async receive(request) {
      const declared = request.headers['content-length'];
      const room = declared === undefined ? objectBytesMax : Number(declared);
      if (!(room <= objectBytesMax))
        throw new RequestRefused(413, `objects may have ${objectBytesMax / 1024 ** 2} MiB`);
      await takeRoom(room);
      let released = false;
      const release = (): void => {
        if (released) return;
        released = true;
        free += room;
        letIn();
      };
      try {
        const hash = createHash('sha256');
        const parts: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of request as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          if (bytes > room)
            throw new RequestRefused(413, `objects may have ${objectBytesMax / 1024 ** 2} MiB`);
          hash.update(chunk);
          parts.push(chunk);
        }
        if (declared !== undefined && bytes !== room)
          throw new RequestRefused(400, 'the content is incomplete');
        return { parts, bytes, sha256: hash.digest('hex'), release };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}
