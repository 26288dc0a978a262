import { hasCode, LifeboatError } from '../../../core/errors.ts';

/** What pg_dump and pg_dumpall say when they fail, with what to do about it. */

interface Known {
  readonly said: RegExp;
  readonly hint: string;
}

const known: readonly Known[] = [
  {
    said: /(?:statement|lock) timeout[\s\S]*LOCK TABLE|LOCK TABLE[\s\S]*(?:statement|lock) timeout/,
    hint: 'another transaction holds a table, such as an ALTER TABLE or a VACUUM FULL: wait for it or end it, then run the backup again',
  },
  {
    said: /permission denied for large object/,
    hint: 'the right to read all data does not cover large objects: GRANT SELECT ON LARGE OBJECT … TO the role, or dump as their owner',
  },
  {
    said: /permission denied/,
    hint: 'give the role the right to read everything, such as GRANT pg_read_all_data TO it (PostgreSQL 14 on), or leave the object out',
  },
  {
    said: /no matching (?:tables|schemas) were found/,
    hint: 'check the names of tables and schemas that the source includes',
  },
  {
    said: /row-level security/,
    hint: 'dump as a role with BYPASSRLS, or as the owner of the table',
  },
  {
    said: /connection to server was lost|server closed the connection|terminating connection|no connection to the server/,
    hint: 'the server or the network ended the connection; when it is stable, run the backup again',
  },
  {
    said: /conflict with recovery/,
    hint: 'dump from the primary, or raise max_standby_streaming_delay or set hot_standby_feedback on the standby',
  },
  { said: /No space left on device/, hint: 'free space in the scratch folder, or name another one' },
];

/** @param what such as `the dump of "app"`. @returns what to throw instead of a tool's failure. */
export function dumpFailure(what: string, error: unknown): unknown {
  if (!hasCode(error, 'tool-failed')) return error;
  const hint = known.find(({ said }) => said.test(error.message))?.hint;
  return new LifeboatError('dump-failed', `${what} failed: ${error.message}; no snapshot was made`, {
    cause: error,
    ...(hint ? { hint } : {}),
  });
}
