import assert from 'node:assert/strict';
import pg from 'pg';
import { runAsServer } from '../cluster.ts';
import { binFolder } from '../programs.ts';
import type { FoundEntry, State } from './oracle.ts';

/** Reads the ledger out of a running database. */
export async function readState(url: string): Promise<State> {
  const connection = new pg.Client({ connectionString: url });
  await connection.connect();
  try {
    const chain = await connection.query<FoundEntry>(
      `select client, n, previous, payload, from_account as "fromAccount", to_account as "toAccount", amount, hash
       from chain`,
    );
    const numbers = async (query: string): Promise<Map<number, bigint>> => {
      const { rows } = await connection.query<{ id: number; value: string }>(query);
      return new Map(rows.map(({ id, value }) => [id, BigInt(value)]));
    };
    return {
      chain: chain.rows,
      balances: await numbers('select id, balance as value from account'),
      told: await numbers('select client as id, entries as value from told'),
    };
  } finally {
    await connection.end();
  }
}

/** Lets pg_amcheck look at every table and index. @throws with what it found. */
export async function checkRelations(url: string): Promise<void> {
  const bin = binFolder('debian');
  assert.ok(bin);
  const options = ['--heapallindexed', '--parent-check', '--no-password'];
  await runAsServer(`${bin}/pg_amcheck`, [...options, `--maintenance-db=${url}`, '-d', 'postgres'], {
    ...environmentOf(url),
  });
}

/** Lets pg_checksums look at every page of a data directory whose server was stopped cleanly. */
export async function checkPages(bin: string, data: string): Promise<void> {
  await runAsServer(`${bin}/pg_checksums`, ['--check', '-D', data]);
}

function environmentOf(url: string): Record<string, string> {
  const { searchParams, port, hostname, username } = new URL(url.replace('@/', '@placeholder/'));
  const host = searchParams.get('host') ?? hostname;
  return { PGHOST: host, PGPORT: searchParams.get('port') ?? port, PGUSER: decodeURIComponent(username) };
}
