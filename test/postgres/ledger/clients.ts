import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import pg from 'pg';
import { parseLsn } from '../../../src/model/wal.ts';
import { type Random, randomOf } from '../../random.ts';
import { type Attempt, accounts, type Entry, hashOf } from './entry.ts';

/** Clients that write the ledger, each on a connection of its own, until they are stopped. */

export interface Clients {
  /** All that was tried so far, in no order between clients. */
  attempts(): readonly Attempt[];
  /** Of the clients that were told of a commit. */
  acknowledgedCount(): number;
  /** Waits until `more` further transactions were acknowledged. @throws where that takes longer than a minute. */
  progress(more: number): Promise<void>;
  /** Lets every client end its transaction, and disconnects them. @throws what a client could not go on after. */
  stop(): Promise<void>;
}

export interface ClientsOptions {
  readonly count: number;
  /** Where the server is now; asked again at each connection. */
  readonly url: () => string;
  /** The attempts are written there as well, one JSON object a line. */
  readonly file: string;
  /** Longest pause between two transactions of a client, milliseconds. */
  readonly pauseMsMax: number;
  readonly payloadBytesMax: number;
  readonly name: string;
}

const patienceMs = 60_000;

export function startClients(options: ClientsOptions): Clients {
  const attempts: Attempt[] = [];
  let acknowledged = 0;
  let isStopping = false;
  const stopping = (): boolean => isStopping;
  const tell = (attempt: Attempt): void => {
    attempts.push(attempt);
    if (attempt.acknowledged) acknowledged++;
    const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
    appendFileSync(options.file, `${JSON.stringify({ ...attempt, payload: undefined }, plain)}\n`);
  };
  const running = Array.from({ length: options.count }, (_, client) =>
    runClient(client + 1, options, tell, stopping),
  );
  const ended = Promise.allSettled(running);
  return {
    attempts: () => attempts,
    acknowledgedCount: () => acknowledged,
    async progress(more) {
      const wanted = acknowledged + more;
      const giveUp = Date.now() + patienceMs;
      while (acknowledged < wanted) {
        if (Date.now() > giveUp) throw new Error(`the clients stand still at ${acknowledged} transactions`);
        await sleep(10);
      }
    },
    async stop() {
      isStopping = true;
      for (const outcome of await ended) if (outcome.status === 'rejected') throw outcome.reason;
    },
  };
}

interface Head {
  readonly n: number;
  readonly hash: string;
}

/** Writes on one connection after the other, since servers crash; each goes on where its server has the chain. */
async function runClient(
  client: number,
  options: ClientsOptions,
  tell: (attempt: Attempt) => void,
  stopping: () => boolean,
): Promise<void> {
  const random = randomOf(`${options.name} client ${client}`);
  let failingSince: number | null = null;
  while (!stopping()) {
    const connection = new pg.Client({ connectionString: options.url(), connectionTimeoutMillis: 5_000 });
    connection.on('error', () => undefined); // whoever waits for an answer is told as well
    try {
      await connection.connect();
      let head = await headOf(connection, client);
      while (!stopping()) {
        head = await transaction(connection, nextEntry(client, head, random, options), random, tell, head);
        failingSince = null;
        await sleep(random.below(options.pauseMsMax + 1));
      }
    } catch (error) {
      failingSince ??= Date.now();
      if (Date.now() - failingSince > patienceMs) throw error;
      await sleep(50);
    } finally {
      await connection.end().catch(() => undefined); // it may be lost already
    }
  }
}

async function headOf(connection: Client, client: number): Promise<Head> {
  const { rows } = await connection.query<Head>(
    'select n, hash from chain where client = $1 order by n desc limit 1',
    [client],
  );
  return rows[0] ?? { n: 0, hash: '' };
}

function nextEntry(client: number, head: Head, random: Random, options: ClientsOptions): Entry {
  return {
    client,
    n: head.n + 1,
    previous: head.hash,
    payload: random.bytes(random.below(options.payloadBytesMax)).toString('base64'),
    fromAccount: 1 + random.below(accounts),
    toAccount: 1 + random.below(accounts),
    amount: 1 + random.below(100),
  };
}

/** One transaction in twenty is taken back: nothing of it may ever be seen. */
const rollbackOneIn = 20;

async function transaction(
  connection: Client,
  entry: Entry,
  random: Random,
  tell: (attempt: Attempt) => void,
  head: Head,
): Promise<Head> {
  const hash = hashOf(entry);
  await connection.query('begin');
  const { rows } = await connection.query<{ xid: string; at: string; timeline: string }>(
    'select * from append($1, $2, $3, $4, $5, $6, $7, $8)',
    [
      ...[entry.client, entry.n, entry.previous, entry.payload],
      ...[entry.fromAccount, entry.toAccount, entry.amount, hash],
    ],
  );
  const { xid, at, timeline } = rows[0]!;
  const attempt: Attempt = {
    ...entry,
    hash,
    xid: Number(xid),
    timeline: Number.parseInt(timeline, 16),
    beforeUs: BigInt(at),
    acknowledged: null,
  };
  if (random.below(rollbackOneIn) === 0) {
    await connection.query('rollback');
    tell(attempt);
    return head;
  }
  try {
    await connection.query('commit');
  } catch (error) {
    // It may have been committed all the same; the log knows.
    tell(attempt);
    throw error;
  }
  let after: { lsn: string; now: string; committed: string };
  try {
    const answer = await connection.query<typeof after>(
      `select pg_current_wal_insert_lsn()::text as lsn, ${microseconds('clock_timestamp()')} as now,
         ${microseconds('pg_xact_commit_timestamp($1::text::xid)')} as committed`,
      [xid],
    );
    after = answer.rows[0]!;
  } catch (error) {
    tell(attempt);
    throw error;
  }
  tell({
    ...attempt,
    acknowledged: {
      behind: parseLsn(after.lsn)!,
      commitUs: BigInt(after.committed),
      afterUs: BigInt(after.now),
    },
  });
  return { n: entry.n, hash };
}

const microseconds = (expression: string): string =>
  `(extract(epoch from ${expression}) * 1000000)::bigint::text`;
