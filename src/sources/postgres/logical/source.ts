import {
  type LogicalDatabase,
  type LogicalManifest,
  postgresTags,
} from '../../../model/postgres-manifest.ts';
import type { EntryRun, SourceEntry } from '../../../model/source-entry.ts';
import { requireOwnSession } from '../connection/pooler.ts';
import { readServerFacts, type ServerFacts } from '../connection/server.ts';
import type { SqlSession } from '../connection/session.ts';
import type { ConnectionSettings } from '../connection/settings.ts';
import { findTool } from '../connection/tools.ts';
import { dumpChunkBytes, keepsChunkBytes, usualCompression } from './chunk-size.ts';
import { chooseDatabases, type DatabaseFacts, serverTime } from './databases.ts';
import { dumpEntries, entryOf } from './dump-entries.ts';
import { dumpPath } from './dump-path.ts';
import { dumpGlobals, type Globals } from './globals.ts';
import { holdToolEnvironment } from './held-environment.ts';
import type { LogicalBackupOptions, LogicalSource } from './options.ts';
import { sampleCompression } from './sample-rows.ts';
import { isTemporaryName } from './temporary-names.ts';
import { withSession } from './with-session.ts';

/** Databases that belong to who runs the server; nobody else may connect to them. */
const providersDatabases = ['rdsadmin', 'cloudsqladmin', 'alloydbadmin', 'azure_maintenance', 'azure_sys'];

/** What is known before the first dump begins. */
interface Ground {
  readonly server: ServerFacts;
  readonly startTime: string;
  readonly databases: readonly DatabaseFacts[];
}

async function readGround(
  session: SqlSession,
  options: LogicalBackupOptions,
  run: EntryRun,
): Promise<Ground> {
  const server = await readServerFacts(session);
  requireOwnSession(server, session, 'a logical backup');
  const found = await chooseDatabases(session, { ...options, current: options.settings.database });
  const notOurs = ({ name }: DatabaseFacts): string | null => {
    if (!options.allDatabases) return null;
    if (providersDatabases.includes(name)) return 'belongs to the provider of the server';
    return isTemporaryName(name) ? 'is of a restore that runs or was cut off' : null;
  };
  for (const each of found) {
    const why = notOurs(each);
    if (why !== null) run.warning(`the database ${each.name} ${why}, and is left out`);
  }
  return {
    server,
    startTime: await serverTime(session),
    databases: found
      .filter((each) => notOurs(each) === null)
      .map((each) =>
        each.name === options.recordedAs?.database ? { ...each, name: options.recordedAs.name } : each,
      ),
  };
}

/**
 * What the dumps of these databases had together the last time; null where one was not among them. The size of a
 * database tells little of its dump's: indexes are not in it, and text takes another room than pages.
 */
function bytesBefore(
  databases: readonly { readonly name: string }[],
  { previous, selection }: LogicalBackupOptions,
): number | null {
  if (!previous || previous.schemaOnly !== selection.schemaOnly) return null;
  const before = new Map(previous.databases.map(({ name, bytes }) => [name, bytes]));
  if (!databases.every(({ name }) => before.has(name))) return null;
  return databases.reduce((sum, { name }) => sum + before.get(name)!, 0);
}

/**
 * A logical backup of databases of a PostgreSQL server as a source of entries: one dump for each database, then
 * the globals and the manifest. Each dump is one snapshot of its database; those of several databases lie some
 * time apart, as a transaction of PostgreSQL sees one database only.
 */
export function createLogicalSource(options: LogicalBackupOptions): LogicalSource {
  const { source, settings, signal } = options;
  let written: LogicalManifest | null = null;
  const { recordedAs } = options;
  const nameOnServer = (name: string): string => (name === recordedAs?.name ? recordedAs.database : name);

  async function* dumpOne(
    database: DatabaseFacts,
    program: string,
  ): AsyncGenerator<SourceEntry, LogicalDatabase> {
    const format = options.jobs > 1 ? 'directory' : 'custom';
    const path = dumpPath(database.name, format);
    const own = settings.with({ database: nameOnServer(database.name) });
    const dumpTime = await withSession(own, signal, serverTime);
    const chunkBytes = await chunkBytesOf(database, own);
    const held = await holdToolEnvironment(own);
    try {
      const { login } = held;
      const job = { options, program, login, database, path: `${source}/${path}`, chunkBytes };
      const bytes = yield* dumpEntries(job);
      return { ...database, path, format, dumpTime, bytes, chunkBytes };
    } finally {
      await held.close();
    }
  }

  async function chunkBytesOf(
    { name, databaseBytes }: DatabaseFacts,
    own: ConnectionSettings,
  ): Promise<number> {
    const before = options.previous?.databases.find((each) => each.name === name)?.chunkBytes;
    if (before !== undefined && keepsChunkBytes(databaseBytes, before)) return before;
    const sampled = options.selection.schemaOnly
      ? usualCompression
      : await withSession(own, signal, sampleCompression);
    return dumpChunkBytes(databaseBytes, sampled);
  }

  async function takeGlobals(program: string): Promise<Globals> {
    const held = await holdToolEnvironment(settings);
    try {
      return await withSession(settings, signal, (session) =>
        dumpGlobals(session, program, held.login, options),
      );
    } finally {
      await held.close();
    }
  }

  async function* entries(run: EntryRun): AsyncGenerator<SourceEntry> {
    const ground = await withSession(settings, signal, (session) => readGround(session, options, run));
    const wanted = { major: ground.server.major, binDirectory: options.binDirectory };
    const dump = await findTool('pg_dump', wanted);
    const dumpAll = await findTool('pg_dumpall', wanted);
    const globals = await takeGlobals(dumpAll.path);
    if (globals.problem !== null) run.warning(globals.problem);
    if (globals.sql) yield entryOf(`${source}/globals.sql`, { kind: 'bytes', bytes: globals.sql });

    const bytes = bytesBefore(ground.databases, options);
    if (bytes !== null) run.expected(0, bytes);
    const databases: LogicalDatabase[] = [];
    for (const database of ground.databases) {
      databases.push(yield* dumpOne(database, dump.path));
      await run.settled();
    }
    const manifest: LogicalManifest = {
      version: 1,
      kind: 'postgres-logical',
      source,
      serverVersion: ground.server.versionNumber,
      toolVersion: dump.version,
      startTime: ground.startTime,
      stopTime: await withSession(settings, signal, serverTime),
      globals: globals.sql !== null,
      globalsProblem: globals.problem,
      rolePasswords: globals.passwords,
      databases,
      ...options.selection,
    };
    const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    yield entryOf(`${source}/.lifeboat/manifest.json`, { kind: 'bytes', bytes: text });
    written = manifest;
  }

  return {
    paths: [`/${source}`],
    entries,
    tags: () => (written ? tagsOf(written, options.purpose ?? written.kind) : []),
    manifest: () => written,
  };
}

/** For listings, so that trees need not be read. */
function tagsOf({ source, stopTime }: LogicalManifest, kind: string): string[] {
  return [
    `${postgresTags.source}=${source}`,
    `${postgresTags.kind}=${kind}`,
    `${postgresTags.stopTime}=${stopTime}`,
  ];
}
