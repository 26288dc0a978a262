import { tmpdir } from 'node:os';
import { LifeboatError } from '../../../core/errors.ts';
import type { LogicalDatabase } from '../../../model/postgres-manifest.ts';
import type { ConnectionSettings } from '../../../sources/postgres/connection/settings.ts';
import { findTool, type Tool } from '../../../sources/postgres/connection/tools.ts';
import {
  type ExistingDatabase,
  openMaintenance,
  readExisting,
  readTargetServer,
  type TargetServer,
} from '../../../sources/postgres/logical/restore-target.ts';
import { readToc } from '../../../sources/postgres/logical/run-restore.ts';
import { freeBytes, makeScratch, removeScratch } from '../../../sources/postgres/logical/scratch.ts';
import { refuseHeldTargets } from '../../../sources/postgres/logical/target-hold.ts';
import { listTemporaryDatabases } from '../../../sources/postgres/logical/temporary-names.ts';
import type { TocEntry } from '../../../sources/postgres/logical/toc.ts';
import { attachmentWarnings, planLeftovers, refuseClosed, refuseHeld } from './attachments.ts';
import { streamDump, writeDump } from './dump-content.ts';
import type { DatabasePlan, LogicalRestorePlan, LogicalRestoreRequest, RestoreWay } from './request.ts';
import { planSelection } from './select-objects.ts';

/** Looks at snapshot and server, changes nothing. */

/** The dump as written to the scratch folder, and some for the file system. */
const scratchFactor = 1.02;

const usage = (message: string, hint: string): LifeboatError => new LifeboatError('usage', message, { hint });

/** @throws LifeboatError `usage` for databases that the snapshot has not, and for a new name of several. */
function wantedDatabases({
  manifest,
  databases,
  renamed,
  tables,
  schemas,
}: LogicalRestoreRequest): LogicalDatabase[] {
  const there = manifest.databases.map(({ name }) => name).join(', ');
  const wanted = databases.length === 0 ? manifest.databases.map(({ name }) => name) : databases;
  const found = [...new Set(wanted)].map((name) => {
    const database = manifest.databases.find((each) => each.name === name);
    if (!database) throw usage(`the snapshot has no database ${JSON.stringify(name)}`, `it has ${there}`);
    return database;
  });
  if (found.length === 1) return found;
  const one = renamed !== null ? '--as' : tables.length + schemas.length > 0 ? '--table and --schema' : null;
  if (one)
    throw usage(
      `${one} ${one.includes(' ') ? 'need' : 'needs'} one database, and the snapshot has ${there}`,
      'name it with --database',
    );
  return found;
}

function chooseWay(
  request: LogicalRestoreRequest,
  target: string,
  existing: ExistingDatabase | null,
  server: TargetServer,
): RestoreWay {
  const isPart = request.tables.length + request.schemas.length > 0;
  if (existing && isPart) return 'objects';
  if (!existing && server.mayCreateDatabases) return 'create';
  if (!existing) {
    throw new LifeboatError(
      'database-permission',
      `there is no database ${JSON.stringify(target)}, and the role ${server.facts.user} may not make one`,
      { hint: `make it yourself, or as a superuser: ALTER ROLE "${server.facts.user}" CREATEDB` },
    );
  }
  return server.mayCreateDatabases && existing.mayReplace ? 'swap' : 'in-place';
}

async function tocOf(
  request: LogicalRestoreRequest,
  database: LogicalDatabase,
  tool: Tool,
): Promise<TocEntry[]> {
  if (database.format === 'custom')
    return readToc(tool.path, null, await streamDump(request, database), request.signal);
  const folder = makeScratch('reading what the dump holds', 0, request.scratch);
  try {
    const archive = await writeDump(request, database, folder, request.signal, true);
    return await readToc(tool.path, archive, null, request.signal);
  } finally {
    removeScratch(folder);
  }
}

/** Roles that own something in the dump and that the server does not have. */
function missingOwners(
  request: LogicalRestoreRequest,
  database: LogicalDatabase,
  toc: readonly TocEntry[],
  { roles }: TargetServer,
): string[] {
  if (!request.owner || request.globals) return [];
  const owners = toc.flatMap(({ kind, rest }) =>
    /^(?:COMMENT|ENCODING|STDSTRINGS|SEARCHPATH|BLOBS?|EXTENSION|.* DATA|SEQUENCE SET)$/.test(kind)
      ? []
      : [rest.slice(rest.lastIndexOf(' ') + 1)],
  );
  // A name with a blank in it is cut; such a role is only found missing when it is needed.
  const known = [...roles].flatMap((role) => [role, role.slice(role.lastIndexOf(' ') + 1)]);
  return [...new Set([database.owner, ...owners])].filter((owner) => owner !== '' && !known.includes(owner));
}

async function planDatabase(
  request: LogicalRestoreRequest,
  database: LogicalDatabase,
  more: {
    readonly server: TargetServer;
    readonly tool: Tool;
    readonly existing: ExistingDatabase | null;
    readonly warnings: string[];
  },
): Promise<DatabasePlan> {
  const { server, tool, existing, warnings } = more;
  const target = request.renamed ?? database.name;
  const way = chooseWay(request, target, existing, server);
  if (existing) {
    refuseHeld({ way, target }, existing);
    if (way !== 'swap') refuseClosed(target, existing);
    warnings.push(...attachmentWarnings({ way, target }, existing));
  }
  const toc = await tocOf(request, database, tool);
  const missing = missingOwners(request, database, toc, server);
  if (missing.length > 0) {
    throw new LifeboatError(
      'database-restore-failed',
      `the server does not have the roles ${missing.join(', ')}, which own objects of ${database.name}`,
      { hint: 'restore them too with --globals, or let the restoring role own everything with --no-owner' },
    );
  }
  if (way === 'in-place')
    warnings.push(
      `the role ${server.facts.user} may not replace the database ${target}: its objects are dropped and restored in one transaction instead, and objects that the dump does not know stay`,
    );
  const inOneTransaction = way === 'in-place' || way === 'objects';
  if (existing && request.safetyBackup && inOneTransaction && (way === 'in-place' || request.drop))
    warnings.push(
      `what is written to ${target} between its safety backup and the end of the restore is lost: stop what writes to it first`,
    );
  if (inOneTransaction && request.jobs > 1)
    warnings.push(`${target} is restored by one job, as it is restored in one transaction`);
  const jobs = inOneTransaction ? 1 : request.jobs;
  const selection = await planSelection(request, toc, target, way);
  const seeks = jobs > 1 || database.format === 'directory';
  const owned = request.owner && (server.roles.has(database.owner) || request.globals);
  return {
    database,
    target,
    way,
    existingBytes: existing?.databaseBytes ?? null,
    sessionsToEnd: way === 'swap' ? (existing?.sessions ?? 0) : 0,
    selection,
    jobs,
    owner: owned ? database.owner : null,
    scratchBytes: seeks ? Math.ceil(database.bytes * scratchFactor) : 0,
    tables: (selection ? selectedEntries(toc, selection.list) : toc).filter(({ kind }) => kind === 'TABLE')
      .length,
  };
}

function selectedEntries(toc: readonly TocEntry[], list: string): TocEntry[] {
  const lines = new Set(list.split('\n'));
  return toc.filter(({ line }) => lines.has(line));
}

/** Backs up what goes away. */
function needsSafety({ way, selection }: DatabasePlan): boolean {
  return way === 'swap' || way === 'in-place' || (selection?.replaced.length ?? 0) > 0;
}

const withoutDatabase = ({ user, hosts }: ConnectionSettings): string =>
  `${user}@${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}`;

/**
 * The plan of a restore of dumps.
 * @throws LifeboatError where it could not succeed: `usage`, `database-permission`, `tool-missing`, `scratch-full`,
 *   `database-restore-failed` for roles that are missing, and errors of connecting.
 */
export async function planLogicalRestore(request: LogicalRestoreRequest): Promise<LogicalRestorePlan> {
  const { manifest, settings, signal } = request;
  const wanted = wantedDatabases(request);
  const targets = wanted.map(({ name }) => request.renamed ?? name);
  const warnings: string[] = [];
  const session = await openMaintenance(settings, targets, signal);
  try {
    const server = await readTargetServer(session);
    await refuseHeldTargets(session, targets);
    const dumpMajor = Math.floor(manifest.toolVersion / 10_000);
    const tool = await findTool('pg_restore', {
      major: Math.max(server.facts.major, dumpMajor),
      binDirectory: request.binDirectory,
    });
    if (server.facts.major < Math.floor(manifest.serverVersion / 10_000))
      warnings.push(
        `the dump is of PostgreSQL ${Math.floor(manifest.serverVersion / 10_000)} and the server is ${server.facts.major}: it may not know everything in it`,
      );
    if (request.globals && !manifest.globals)
      throw usage(
        'the snapshot has no roles and tablespaces',
        manifest.globalsProblem ?? 'leave --globals out',
      );
    if (request.globals && !manifest.rolePasswords)
      warnings.push(
        'the snapshot has no passwords of roles: roles that are made cannot log in until one is set',
      );
    const databases: DatabasePlan[] = [];
    for (const database of wanted) {
      const existing = await readExisting(session, request.renamed ?? database.name);
      databases.push(await planDatabase(request, database, { server, tool, existing, warnings }));
    }
    const left = planLeftovers(await listTemporaryDatabases(session), databases, request.safetyBackup);
    warnings.push(...left.warnings);
    return {
      kind: 'postgres-logical-restore',
      source: manifest.source,
      snapshot: { id: request.snapshot.id, time: request.snapshot.time },
      server: withoutDatabase(settings),
      serverVersion: server.facts.versionNumber,
      toolVersion: tool.version,
      globals: request.globals,
      databases,
      safetyBackup: request.safetyBackup ? databases.filter(needsSafety).map(({ target }) => target) : [],
      leftovers: left.leftovers,
      scratch: planScratch(request, databases),
      owner: request.owner,
      privileges: request.privileges,
      onError: request.onError,
      analyze: request.analyze,
      warnings,
    };
  } finally {
    await session.close();
  }
}

/** Databases are restored one after the other, so the largest counts. @throws LifeboatError `scratch-full`. */
function planScratch(
  { scratch }: LogicalRestoreRequest,
  databases: readonly DatabasePlan[],
): LogicalRestorePlan['scratch'] {
  const bytesNeeded = Math.max(0, ...databases.map(({ scratchBytes }) => scratchBytes));
  if (bytesNeeded === 0) return null;
  const folder = scratch ?? tmpdir();
  const bytesFree = freeBytes(folder);
  if (bytesFree < bytesNeeded)
    throw new LifeboatError(
      'scratch-full',
      `the restore needs ${bytesNeeded} bytes in ${folder}, where ${bytesFree} are free`,
      { hint: 'free some space, name another folder as scratch, or use one job, which needs no space' },
    );
  return { folder, bytesNeeded, bytesFree };
}
