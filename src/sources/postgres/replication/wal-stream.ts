import { LifeboatError } from '../../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn, type Timeline } from '../../../model/wal.ts';
import { type Conversation, textOf } from './conversation.ts';
import { copyDataMessage, copyDoneMessage, fromServerClock, quotedName, toServerClock } from './messages.ts';

/** Streaming of WAL (protocol, "Streaming Replication Protocol", START_REPLICATION … PHYSICAL). */

export interface WalStreamOptions {
  /** Keeps what is not reported as durable on the server; null streams without one. */
  readonly slot: string | null;
  readonly start: Lsn;
  readonly timeline: Timeline;
  /** The server hears from us at least this often, whatever the consumer does meanwhile. */
  readonly statusIntervalMs: number;
  /** All WAL before this is stored safely: the server may forget it. Never reported beyond what was received. */
  readonly durable: () => Lsn;
}

export type WalMessage =
  | {
      readonly kind: 'data';
      readonly lsn: Lsn;
      /** A part of what the server sent at once; parts follow each other without gaps. */
      readonly bytes: Uint8Array;
      /** End of the server's log when this was sent. */
      readonly serverEnd: Lsn;
      /** Clock of the server, milliseconds since 1970 with fraction, when this was sent. */
      readonly sentMs: number;
    }
  | { readonly kind: 'keepalive'; readonly serverEnd: Lsn; readonly sentMs: number }
  /** The last message: the log goes on at `start` on another timeline, and the session can be used again. */
  | { readonly kind: 'end-of-timeline'; readonly nextTimeline: Timeline; readonly start: Lsn };

/** How soon progress of what is durable is told, which a server that shuts down waits for. */
const progressCheckMs = 250;
const leaveTimeoutMs = 2000;
const dataHeaderBytes = 24;
/** While all of the log is here, more of it is not looked for that soon. */
const restMs = 50;

class StatusReporter {
  readonly #conversation: Conversation;
  readonly #options: WalStreamOptions;
  readonly #timer: NodeJS.Timeout;
  #lastFlushed = 0n;
  #lastSentMs = 0;
  received: Lsn;

  constructor(conversation: Conversation, options: WalStreamOptions) {
    this.#conversation = conversation;
    this.#options = options;
    this.received = options.start;
    const { statusIntervalMs } = options;
    this.#timer = setInterval(
      () => {
        if (conversation.wire.failure) return this.stop();
        const due = performance.now() - this.#lastSentMs >= statusIntervalMs;
        if (due || this.#flushed() !== this.#lastFlushed) this.send();
      },
      Math.min(progressCheckMs, statusIntervalMs),
    ).unref(); // the socket keeps the process alive, as long as it is open
  }

  /** 0 is "nothing yet": a position before the start would move the slot back. */
  #flushed(): Lsn {
    const durable = this.#options.durable();
    if (durable < this.#options.start) return 0n;
    return durable < this.received ? durable : this.received;
  }

  /** Standby status update. */
  send(): void {
    this.#lastFlushed = this.#flushed();
    this.#lastSentMs = performance.now();
    const status = Buffer.alloc(34);
    status.write('r', 0, 'latin1');
    status.writeBigUInt64BE(this.received, 1);
    status.writeBigUInt64BE(this.#lastFlushed, 9);
    status.writeBigUInt64BE(this.#lastFlushed, 17);
    status.writeBigInt64BE(toServerClock(Date.now()), 25);
    this.#conversation.wire.send(copyDataMessage(status));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** One CopyData of the server: WAL in pieces, or a keepalive. */
async function* copyData(
  { wire }: Conversation,
  reporter: StatusReporter,
): AsyncGenerator<WalMessage, void, void> {
  const kind = (await wire.bytes(1))[0];
  if (kind === 0x77) {
    const header = await wire.bytes(dataHeaderBytes);
    let lsn = header.readBigUInt64BE(0);
    const serverEnd = header.readBigUInt64BE(8);
    const sentMs = fromServerClock(header.readBigInt64BE(16));
    if (lsn !== reporter.received) {
      throw new LifeboatError(
        'database-failed',
        `the server sent WAL from ${formatLsn(lsn)} where ${formatLsn(reporter.received)} was expected`,
      );
    }
    for (let bytes = await wire.piece(); bytes; bytes = await wire.piece()) {
      const from = lsn;
      lsn += BigInt(bytes.length);
      reporter.received = lsn;
      yield { kind: 'data', lsn: from, bytes, serverEnd, sentMs };
    }
    if (lsn >= serverEnd) wire.rest(restMs);
  } else if (kind === 0x6b) {
    const body = await wire.bytes(17);
    if (body[16] === 1) reporter.send();
    yield {
      kind: 'keepalive',
      serverEnd: body.readBigUInt64BE(0),
      sentMs: fromServerClock(body.readBigInt64BE(8)),
    };
  }
  // Kinds of a newer protocol are skipped with the rest of their message.
}

/** After the end of a timeline: which one comes next, and from where. */
async function nextTimeline(conversation: Conversation, described: boolean): Promise<WalMessage> {
  const [row] = described ? await conversation.rowsAfterDescription() : await conversation.rows();
  const start = parseLsn(textOf(row, 'next_tli_startpos'));
  if (start === null)
    throw new LifeboatError('database-failed', 'the server named no position of the next timeline');
  await conversation.finish();
  return { kind: 'end-of-timeline', nextTimeline: Number(textOf(row, 'next_tli')), start };
}

/** Tells the server that nothing more is wanted, and reads what it had already sent. */
async function leave(conversation: Conversation): Promise<void> {
  const { wire } = conversation;
  if (wire.failure) return;
  wire.send(copyDoneMessage);
  const timer = setTimeout(() => wire.destroy(), leaveTimeoutMs);
  try {
    for (;;) {
      const type = await conversation.next();
      if (type === 'c') break;
      if (type !== 'd') throw conversation.unexpected(type);
    }
    await conversation.finish();
  } catch {
    // A server that does not answer in time loses the connection; what is durable was told before.
    wire.destroy();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * WAL from `start`, endless until the timeline ends. Leaving early ends the stream, and the session can then be
 * used again.
 * @throws LifeboatError `wal-removed`, `slot-missing`, `slot-busy`; `database-connection-lost` also where the
 * server shuts down
 */
export async function* streamWal(
  conversation: Conversation,
  options: WalStreamOptions,
): AsyncGenerator<WalMessage, void, void> {
  const slot = options.slot === null ? '' : `SLOT ${quotedName(options.slot)} `;
  conversation.begin(
    `START_REPLICATION ${slot}PHYSICAL ${formatLsn(options.start)} TIMELINE ${options.timeline}`,
  );
  const first = await conversation.next();
  // Where the start is the very end of an old timeline, no stream begins.
  if (first === 'T') return void (yield await nextTimeline(conversation, true));
  if (first !== 'W') throw conversation.unexpected(first);

  const reporter = new StatusReporter(conversation, options);
  let streaming = true;
  try {
    reporter.send();
    for (;;) {
      const type = await nextOrEnd(conversation, () => {
        streaming = false;
      });
      if (type === 'd') yield* copyData(conversation, reporter);
      else if (type === 'c') break;
      else if (type === 'C') {
        streaming = false;
        throw new LifeboatError(
          'database-connection-lost',
          'the server is shutting down and ended the stream of WAL',
        );
      } else throw conversation.unexpected(type);
    }
    streaming = false;
    reporter.send();
    reporter.stop();
    conversation.wire.send(copyDoneMessage);
    yield await nextTimeline(conversation, false);
  } finally {
    reporter.stop();
    if (streaming) {
      reporter.send();
      await leave(conversation);
    }
  }
}

async function nextOrEnd(conversation: Conversation, ended: () => void): Promise<string> {
  try {
    return await conversation.next();
  } catch (error) {
    ended();
    throw error;
  }
}
