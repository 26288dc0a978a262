import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import { hasCode } from '../../../core/errors.ts';
import type { SqlSession } from '../connection/session.ts';
import { usualCompression } from './chunk-size.ts';

/** How well the rows of a database compress, from a few rows of its largest tables. */

const tablesMax = 8;
const sampleBytes = 128 * 1024;
const rowsMin = 20;
const rowsMax = 2000;
const rowCharactersMax = 8192;
const pagesMax = 48;
const timeoutMs = 5000;
const lockTimeoutMs = 100;

const compress = promisify(zstdCompress);

interface LargeTable {
  readonly name: string;
  readonly bytes: number;
  readonly pages: number;
  readonly rows: number;
}

/**
 * From the catalogue alone, as the functions that measure tables wait for locks. Names are qualified, as the
 * session's search path is empty.
 */
const largeTables = `
  select c.oid::regclass::text as name, greatest(c.reltuples, 0)::float8 as rows,
    greatest(c.relpages, 1)::float8 as pages,
    (greatest(c.relpages, 1) + coalesce(t.relpages, 0))::float8 * current_setting('block_size')::float8 as bytes
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
  where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by 4 desc limit ${tablesMax}`;

async function sampleTable(session: SqlSession, { name, bytes, pages, rows }: LargeTable): Promise<Buffer> {
  const rowBytes = rows > 0 ? bytes / rows : 256;
  const limit = Math.min(rowsMax, Math.max(rowsMin, Math.ceil(sampleBytes / Math.max(1, rowBytes))));
  const percent = Math.min(100, (100 * pagesMax) / pages);
  const found = await session.query<{ row: string }>(
    `select left(t::text, ${rowCharactersMax}) as row from only ${name} t
     tablesample system (${percent.toFixed(6)}) limit ${limit}`,
  );
  return Buffer.from(found.map(({ row }) => row).join('\n'));
}

/** Only a guess depends on it, and the dump will say what is locked or may not be read. */
const isHarmless = (error: unknown): boolean => hasCode(error, 'database-failed', 'database-permission');

/**
 * How many times smaller the rows become; a usual figure where nothing can be told.
 * @param session of that database.
 */
export async function sampleCompression(session: SqlSession): Promise<number> {
  await session.query(`set statement_timeout = ${timeoutMs}; set lock_timeout = ${lockTimeoutMs}`);
  let plain = 0;
  let compressed = 0;
  for (const table of await session.query<LargeTable>(largeTables)) {
    try {
      const sample = await sampleTable(session, table);
      if (sample.length === 0) continue;
      plain += table.bytes;
      compressed += (table.bytes * (await compress(sample)).length) / sample.length;
    } catch (error) {
      if (!isHarmless(error)) throw error;
    }
  }
  return compressed > 0 ? plain / compressed : usualCompression;
}
