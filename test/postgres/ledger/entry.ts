import { createHash } from 'node:crypto';
import type { Lsn, Timeline } from '../../../src/model/wal.ts';

/**
 * What the ledger is made of: every transaction appends one entry to the chain of its client and moves an
 * amount between two accounts that all clients share.
 */

export interface Entry {
  readonly client: number;
  /** From 1, without holes. */
  readonly n: number;
  /** Hash of the client's entry before; empty for the first. */
  readonly previous: string;
  readonly payload: string;
  readonly fromAccount: number;
  readonly toAccount: number;
  readonly amount: number;
}

/** What a client wrote and what it was told about it. */
export interface Attempt extends Entry {
  readonly hash: string;
  readonly timeline: Timeline;
  /** Without its epoch, as the log has it. */
  readonly xid: number;
  /** The server's clock inside the transaction, before its commit. */
  readonly beforeUs: bigint;
  /** What the server said after its commit; null where the client was never told that it had committed. */
  readonly acknowledged: Acknowledgement | null;
}

export interface Acknowledgement {
  /** pg_current_wal_insert_lsn() after the commit: behind its record. */
  readonly behind: Lsn;
  /** pg_xact_commit_timestamp */
  readonly commitUs: bigint;
  /** The server's clock after the commit. */
  readonly afterUs: bigint;
}

export const accounts = 64;
export const openingBalance = 1000n;

export function hashOf(entry: Entry): string {
  const { client, n, previous, payload, fromAccount, toAccount, amount } = entry;
  const text = [client, n, previous, fromAccount, toAccount, amount, payload].join('|');
  return createHash('sha256').update(text).digest('hex');
}

/** Tables and the function that a transaction calls; it touches accounts in their order, so that none deadlock. */
export const schemaSql = `
create extension if not exists amcheck;
create table chain (
  client int, n int, previous text not null, payload text not null,
  from_account int not null, to_account int not null, amount int not null, hash text not null,
  primary key (client, n)
);
create table account (id int primary key, balance bigint not null);
insert into account select id, ${openingBalance} from generate_series(1, ${accounts}) as id;
create table told (client int primary key, entries bigint not null);
create function append(c int, n int, previous text, payload text, a int, b int, amount int, hash text,
  out xid text, out at text, out timeline text) language plpgsql as $$
begin
  insert into chain values (c, n, previous, payload, a, b, amount, hash);
  insert into told values (c, 1) on conflict (client) do update set entries = told.entries + 1;
  update account set balance = balance - (case id when a then amount else 0 end)
    + (case id when b then amount else 0 end) where id = least(a, b);
  if a <> b then
    update account set balance = balance - (case id when a then amount else 0 end)
      + (case id when b then amount else 0 end) where id = greatest(a, b);
  end if;
  xid := (pg_current_xact_id()::text::numeric % 4294967296)::text;
  at := (extract(epoch from clock_timestamp()) * 1000000)::bigint::text;
  timeline := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
end $$;
`;
