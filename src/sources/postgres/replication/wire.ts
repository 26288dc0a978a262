import type { Socket } from 'node:net';
import { LifeboatError } from '../../../core/errors.ts';
import { LargeReadSocket } from '../connection/large-reads.ts';

/**
 * Messages of a server (protocol, "Message Formats") straight from a socket whose login is done: a type, a length,
 * a body. Bodies are handed out in the pieces in which they arrive, never copied, and nothing is read from the
 * socket while enough waits to be taken.
 */

const pauseAtBytes = 4 * 1024 * 1024;
const resumeAtBytes = 1024 * 1024;
/** Bodies that are taken whole: rows and errors, never data. */
const wholeBodyBytesMax = 64 * 1024 * 1024;
const nothing: Buffer = Buffer.alloc(0);

function closedError(cause?: Error): LifeboatError {
  return new LifeboatError('database-connection-lost', 'the connection was closed', cause ? { cause } : {});
}

export class Wire {
  readonly #socket: Socket;
  readonly #arrived: Buffer[] = [];
  #taken = 0;
  #arrivedBytes = 0;
  #paused = false;
  #resting: NodeJS.Timeout | null = null;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;
  #chunk = nothing;
  #offset = 0;
  /** Bytes of the current message that are not taken yet. */
  left = 0;
  /**
   * Whether what was handed out may be overwritten once more is asked for: then memory for what arrives is used again,
   * where the socket can. For data only, which is taken piece by piece.
   */
  reusesMemory = false;

  /** Takes the socket over: whoever listened to its data before does so no more. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => {
      this.#arrived.push(chunk);
      this.#arrivedBytes += chunk.length;
      if (!this.#paused && this.#arrivedBytes >= pauseAtBytes) {
        this.#paused = true;
        socket.pause();
      }
      this.#wake?.();
    });
    const end = (error?: Error): void => this.fail(closedError(error));
    socket.on('error', end);
    socket.on('end', () => end());
    socket.on('close', () => end());
  }

  /**
   * Lets what arrives gather for a while, since to wake up for each message costs more than what it says. Does
   * nothing where bytes wait to be taken.
   */
  rest(ms: number): void {
    if (this.#resting || this.#paused || this.#arrivedBytes > 0 || this.#offset < this.#chunk.length) return;
    this.#socket.pause();
    this.#resting = setTimeout(() => this.#wakeUp(), ms);
  }

  #wakeUp(): void {
    if (!this.#resting) return;
    clearTimeout(this.#resting);
    this.#resting = null;
    if (!this.#paused) this.#socket.resume();
  }

  /** Everything that arrived before is still handed out; what is asked for after that throws. The first reason stays. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    this.#wakeUp();
    this.#wake?.();
  }

  get failure(): Error | null {
    return this.#failure;
  }

  send(message: Uint8Array): void {
    this.#wakeUp();
    if (this.#socket.writable) this.#socket.write(message);
  }

  /** Sends a last message and closes. */
  end(message: Uint8Array): void {
    this.#socket.resume();
    this.#socket.end(message);
  }

  destroy(): void {
    this.fail(closedError());
    this.#socket.destroy();
  }

  /** Waits until there are bytes in the current chunk. */
  async #fill(): Promise<void> {
    while (this.#offset === this.#chunk.length) {
      const next = this.#arrived[this.#taken];
      if (next) {
        this.#arrived[this.#taken++] = nothing;
        if (this.#taken >= 64) {
          this.#arrived.splice(0, this.#taken);
          this.#taken = 0;
        }
        this.#arrivedBytes -= next.length;
        if (this.reusesMemory && this.#socket instanceof LargeReadSocket)
          this.#socket.slabs.release(this.#chunk);
        this.#chunk = next;
        this.#offset = 0;
        if (this.#paused && this.#arrivedBytes <= resumeAtBytes) {
          this.#paused = false;
          if (!this.#resting) this.#socket.resume();
        }
        continue;
      }
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  /** Up to `length` bytes, as many as are at hand without copying. */
  async #some(length: number): Promise<Buffer> {
    if (this.#offset === this.#chunk.length) await this.#fill();
    const piece = this.#chunk.subarray(this.#offset, this.#offset + length);
    this.#offset += piece.length;
    return piece;
  }

  async #exactly(length: number): Promise<Buffer> {
    const first = await this.#some(length);
    if (first.length === length) return first;
    const whole = Buffer.allocUnsafe(length);
    let filled = first.copy(whole);
    while (filled < length) filled += (await this.#some(length - filled)).copy(whole, filled);
    return whole;
  }

  /**
   * The type of the next message; what is left of the one before is skipped.
   * @throws LifeboatError `database-connection-lost`, or what `fail` was given
   */
  async next(): Promise<string> {
    while (this.left > 0) this.left -= (await this.#some(this.left)).length;
    const header = await this.#exactly(5);
    this.left = header.readUInt32BE(1) - 4;
    if (this.left < 0) throw new LifeboatError('database-failed', 'the server sent what is no message');
    return String.fromCharCode(header[0]!);
  }

  /** The next bytes of the message, at least one and at most `length`; null at its end. */
  async piece(length = this.left): Promise<Buffer | null> {
    if (this.left === 0) return null;
    const piece = await this.#some(Math.min(length, this.left));
    this.left -= piece.length;
    return piece;
  }

  /** The next `length` bytes of the message, or all that is left of it. */
  async bytes(length = this.left): Promise<Buffer> {
    if (length > this.left || length > wholeBodyBytesMax) {
      throw new LifeboatError('database-failed', 'the server sent a message of an unexpected length');
    }
    const bytes = await this.#exactly(length);
    this.left -= length;
    return bytes;
  }
}
