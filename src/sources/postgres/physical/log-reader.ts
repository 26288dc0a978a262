import { LifeboatError } from '../../../core/errors.ts';
import { formatLsn, type Lsn } from '../../../model/wal.ts';

/** A piece of the log as it comes from the server. */
export interface LogPiece {
  readonly lsn: Lsn;
  readonly bytes: Uint8Array;
}

/** Zeros behind the end of a segment that is not full, a page at a time. */
const zeros = new Uint8Array(64 * 1024);

/**
 * Cuts a stream of log into whole segments. What lies behind `stop` is zeros where the server has not sent it: the
 * end of the log, as PostgreSQL reads it (xlogreader.c stops at a page without a header).
 */
export class LogReader {
  private readonly pieces: AsyncIterator<LogPiece>;
  private readonly stop: Lsn;
  private position: Lsn;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterable<LogPiece>, start: Lsn, stop: Lsn) {
    this.pieces = pieces[Symbol.asyncIterator]();
    this.position = start;
    this.stop = stop;
  }

  /** The bytes up to `end`. @throws LifeboatError `source-unreadable` where the server's log has a gap or ends early. */
  async *upTo(end: Lsn): AsyncGenerator<Uint8Array> {
    while (this.position < end) {
      if (this.rest.length === 0 && this.position < this.stop) await this.receive();
      if (this.rest.length === 0) {
        const length = Math.min(zeros.length, Number(end - this.position));
        this.position += BigInt(length);
        yield zeros.subarray(0, length);
        continue;
      }
      const part = this.rest.subarray(0, Number(end - this.position));
      this.rest = this.rest.subarray(part.length);
      this.position += BigInt(part.length);
      yield part;
    }
  }

  /** Lets the server's stream go. */
  async close(): Promise<void> {
    await this.pieces.return?.();
  }

  private async receive(): Promise<void> {
    const { done, value } = await this.pieces.next();
    if (done)
      throw new LifeboatError(
        'source-unreadable',
        `the server's log ended at ${formatLsn(this.position)}, before the backup's end at ${formatLsn(this.stop)}`,
      );
    if (value.lsn !== this.position)
      throw new LifeboatError(
        'source-unreadable',
        `the server sent log from ${formatLsn(value.lsn)} where ${formatLsn(this.position)} was expected`,
      );
    this.rest = value.bytes;
  }
}
