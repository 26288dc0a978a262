import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, LifeboatError, messageOf } from '../../../core/errors.ts';
import type { SqlSession } from '../../../sources/postgres/connection/session.ts';
import { findTool } from '../../../sources/postgres/connection/tools.ts';
import {
  createDatabaseStatement,
  dropDatabase,
  endSessions,
  propertyStatements,
  renameDatabase,
} from '../../../sources/postgres/logical/database-changes.ts';
import { holdToolEnvironment } from '../../../sources/postgres/logical/held-environment.ts';
import { type GlobalsReport, restoreGlobals } from '../../../sources/postgres/logical/restore-globals.ts';
import { countTables, openMaintenance } from '../../../sources/postgres/logical/restore-target.ts';
import { type RestoreOutcome, runRestore } from '../../../sources/postgres/logical/run-restore.ts';
import { makeScratch, removeScratch } from '../../../sources/postgres/logical/scratch.ts';
import { quoteName } from '../../../sources/postgres/logical/sql-text.ts';
import { holdTargets, type TargetHold } from '../../../sources/postgres/logical/target-hold.ts';
import { temporaryName } from '../../../sources/postgres/logical/temporary-names.ts';
import { withSession } from '../../../sources/postgres/logical/with-session.ts';
import { readGlobals, streamDump, writeDump } from './dump-content.ts';
import { type Maintain, removeLeftovers, removeReplaced, replaceDatabase } from './replace.ts';
import type { DatabasePlan, LogicalRestorePlan, LogicalRestoreRequest } from './request.ts';
import type { SafetyBackup } from './safety.ts';

/** Carries a plan out. */

export interface DatabaseReport {
  readonly target: string;
  readonly way: DatabasePlan['way'];
  readonly tables: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** What could not be restored; only where errors are to be passed over. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly warnings: readonly string[];
}

export interface LogicalRestoreReport {
  readonly databases: readonly DatabaseReport[];
  readonly globals: GlobalsReport | null;
  readonly durationMs: number;
}

export interface LogicalRestoreEvents {
  /** Bytes of the dump of `target` that pg_restore has taken. */
  progress?(target: string, bytes: number, total: number): void;
  step?(message: string): void;
  warning?(message: string): void;
}

interface Run {
  readonly plan: LogicalRestorePlan;
  readonly request: LogicalRestoreRequest;
  readonly program: string;
  readonly events: LogicalRestoreEvents;
  readonly maintain: Maintain;
  readonly hold: TargetHold;
  readonly safety: SafetyBackup;
}

/**
 * @param safety takes the safety backups that the plan asks for.
 * @throws LifeboatError `database-restore-failed`; databases that were replaced before that stay replaced, the one
 *   that failed is as it was. `restore-incomplete` where a safety backup failed of what was replaced.
 */
export async function executeLogicalRestore(
  plan: LogicalRestorePlan,
  request: LogicalRestoreRequest,
  safety: SafetyBackup,
  events: LogicalRestoreEvents = {},
): Promise<LogicalRestoreReport> {
  const { settings, signal } = request;
  const tool = await findTool('pg_restore', {
    major: Math.floor(plan.toolVersion / 10_000),
    binDirectory: request.binDirectory,
  });
  const targets = plan.databases.map(({ target }) => target);
  const maintain = async <T>(work: (session: SqlSession) => Promise<T>): Promise<T> => {
    // Not bound to the signal: what a cancelled restore leaves behind is still to be removed.
    const session = await openMaintenance(settings, targets, new AbortController().signal);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  };
  const hold = await holdTargets(() => openMaintenance(settings, targets, signal), targets);
  try {
    return await restoreHeld({ plan, request, program: tool.path, events, maintain, hold, safety });
  } finally {
    await hold.close();
  }
}

async function restoreHeld(run: Run): Promise<LogicalRestoreReport> {
  const { plan, request, events, maintain } = run;
  const startMs = performance.now();
  await removeLeftovers(run);
  let globals: GlobalsReport | null = null;
  if (plan.globals) {
    events.step?.('restoring roles and tablespaces');
    const script = await readGlobals(request);
    globals = script === null ? null : await maintain((session) => restoreGlobals(session, script));
    for (const problem of globals?.problems ?? []) events.warning?.(problem);
  }
  const databases: DatabaseReport[] = [];
  for (const database of plan.databases) {
    request.signal.throwIfAborted();
    const whole = database.way === 'create' || database.way === 'swap';
    try {
      databases.push(await (whole ? restoreBeside(run, database) : restoreInside(run, database)));
    } catch (error) {
      throw interrupted(plan, database, error) ?? error;
    }
  }
  return { databases, globals, durationMs: performance.now() - startMs };
}

/** Into the database as it is, whose objects that go away are backed up first. */
async function restoreInside(run: Run, database: DatabasePlan): Promise<DatabaseReport> {
  const { target, selection } = database;
  if (run.plan.safetyBackup.includes(target))
    await run.safety({ database: target, name: target, tables: selection?.replaced ?? [] });
  return restoreInto(run, database, target);
}

/** Builds the database under another name; its own name comes at the end, in one step. */
async function restoreBeside(run: Run, database: DatabasePlan): Promise<DatabaseReport> {
  const { plan, events, maintain } = run;
  const { target } = database;
  const fresh = temporaryName(target, 'new');
  await maintain((session) =>
    session.query(createDatabaseStatement(fresh, database.database, database.owner, plan.serverVersion)),
  );
  let built: Built;
  try {
    built = await build(run, database, fresh);
  } catch (error) {
    try {
      await maintain((session) => dropDatabase(session, fresh, plan.serverVersion));
    } catch (left) {
      events.warning?.(`the unfinished database ${fresh} could not be dropped: ${messageOf(left)}`);
    }
    throw error;
  }
  if (built.replaced !== null) await removeReplaced(run, target, built.replaced);
  return built.report;
}

interface Built {
  readonly report: DatabaseReport;
  /** What the old database is called now; null where there was none. */
  readonly replaced: string | null;
}

async function build(run: Run, database: DatabasePlan, fresh: string): Promise<Built> {
  const { request, maintain, hold } = run;
  const { target, way } = database;
  const report = await restoreInto(run, database, fresh);
  await maintain((session) => giveProperties(run, session, database, fresh));
  request.signal.throwIfAborted();
  await hold.ensure();
  if (way === 'create') {
    await maintain(async (session) => {
      await endSessions(session, fresh);
      await renameDatabase(session, fresh, target);
    });
    return { report, replaced: null };
  }
  const aside = temporaryName(target, 'old');
  await replaceDatabase(run, { name: target, fresh, aside }).catch((error: unknown) => {
    throw notReplaced(database, error);
  });
  return { report, replaced: aside };
}

function notReplaced(database: DatabasePlan, error: unknown): unknown {
  if (!(error instanceof LifeboatError) || error.code === 'cancelled') return error;
  const { message } = failure(database, { problems: [error.message], problemCount: 1, warnings: [] });
  return new LifeboatError('database-restore-failed', message, { cause: error, hint: error.hint });
}

async function giveProperties(
  { plan, request, events }: Run,
  session: SqlSession,
  { database }: DatabasePlan,
  name: string,
): Promise<void> {
  const rows = await session.query<{ name: string }>('select rolname::text as name from pg_catalog.pg_roles');
  const roles = new Set(rows.map((row) => row.name));
  for (const statement of propertyStatements(name, database, { privileges: plan.privileges, roles })) {
    request.signal.throwIfAborted();
    try {
      await session.query(statement);
    } catch (error) {
      // The data is there; what a setting or a grant was is in the manifest.
      events.warning?.(`a property of ${database.name} was not restored: ${messageOf(error)}`);
    }
  }
}

/** Runs pg_restore against the database `into`, and looks at what came of it. */
async function restoreInto(run: Run, database: DatabasePlan, into: string): Promise<DatabaseReport> {
  const { plan, request, events } = run;
  const startMs = performance.now();
  const own = request.settings.with({ database: into });
  events.step?.(`restoring ${database.target}`);
  await makeSchemas(run, database, into);
  const outcome = await restoreDump(run, database, into);
  if (outcome.problemCount > 0 && plan.onError === 'stop') throw failure(database, outcome);
  if (!database.selection && database.way !== 'in-place') {
    const found = await countTables(own, request.signal);
    if (found < database.tables && outcome.problemCount === 0) {
      throw new LifeboatError(
        'database-restore-failed',
        `${database.target} has ${found} tables after the restore, and the dump has ${database.tables}`,
        { hint: 'run `lifeboat check --read-data`, and restore another snapshot' },
      );
    }
  }
  if (plan.analyze) {
    events.step?.(`analyzing ${database.target}`);
    await withSession(own, request.signal, (session) => session.query('ANALYZE'));
  }
  return {
    target: database.target,
    way: database.way,
    tables: database.tables,
    bytes: database.database.bytes,
    durationMs: performance.now() - startMs,
    ...outcome,
  };
}

async function makeSchemas({ request }: Run, { selection }: DatabasePlan, into: string): Promise<void> {
  const missing = selection?.missingSchemas ?? [];
  if (missing.length === 0) return;
  await withSession(request.settings.with({ database: into }), request.signal, async (session) => {
    for (const schema of missing) await session.query(`CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`);
  });
}

async function restoreDump(run: Run, database: DatabasePlan, into: string): Promise<RestoreOutcome> {
  const { plan, request, events } = run;
  const inOneTransaction = database.way === 'in-place' || database.way === 'objects';
  const held = await holdToolEnvironment(request.settings.with({ database: into }));
  const folder = makeScratch(`the restore of ${database.target}`, database.scratchBytes, request.scratch);
  try {
    const list = database.selection && join(folder, 'list');
    if (list) writeFileSync(list, database.selection!.list, { mode: 0o600 });
    const fromFolder = database.scratchBytes > 0;
    const archive = fromFolder ? await writeDump(request, database.database, folder, request.signal) : null;
    const total = database.database.bytes;
    const told = (bytes: number): void => events.progress?.(database.target, bytes, total);
    return await runRestore({
      program: run.program,
      login: held.login,
      database: into,
      jobs: database.jobs,
      owner: plan.owner,
      privileges: plan.privileges,
      exitOnError: plan.onError === 'stop',
      singleTransaction: inOneTransaction && plan.onError === 'stop',
      clean: database.way === 'in-place' || (database.selection?.replaced.length ?? 0) > 0,
      list,
      archive,
      input: fromFolder ? null : counted(await streamDump(request, database.database), told),
      signal: request.signal,
    });
  } finally {
    removeScratch(folder);
    await held.close();
  }
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  told: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const piece of bytes) {
    yield piece;
    taken += piece.length;
    told(taken);
  }
}

const keptAsItWas = ({ way }: DatabasePlan): string =>
  way === 'create' ? 'the database was not made' : 'nothing in it was changed, the old data is still there';

function failure(database: DatabasePlan, { problems, problemCount }: RestoreOutcome): LifeboatError {
  const more = problemCount > problems.length ? ` and ${problemCount - problems.length} more` : '';
  return new LifeboatError(
    'database-restore-failed',
    `${database.target} was not restored: ${problems.join('; ')}${more}; ${keptAsItWas(database)}`,
    { hint: problems.map(hintOf).find((hint) => hint !== undefined) },
  );
}

/** What helps against what servers often refuse. */
const hints: readonly { readonly said: RegExp; readonly hint: string }[] = [
  {
    said: /must be (?:member of|able to SET) role|role ".*" does not exist/i,
    hint: 'let the restoring role own everything with --no-owner, or restore as a role that may give it away',
  },
  {
    said: /must be superuser|permission denied to create/i,
    hint: 'restore as a role that may, with --url, or without what it may not make: --on-error continue',
  },
  {
    said: /extension ".*" is not available|could not open extension control file/i,
    hint: 'install the extension on the server, or restore without it: --on-error continue',
  },
  {
    said: /other objects depend on it/i,
    hint: 'restore beside it with --as NAME, or drop what depends on it first',
  },
];
const hintOf = (problem: string): string | undefined => hints.find(({ said }) => said.test(problem))?.hint;

/** What Ctrl-C left, for who pressed it; null where that was not the reason. */
function interrupted(
  { onError }: LogicalRestorePlan,
  database: DatabasePlan,
  error: unknown,
): LifeboatError | null {
  if (!hasCode(error, 'cancelled')) return null;
  const { target, way } = database;
  const inParts = onError === 'continue' && (way === 'in-place' || way === 'objects');
  const left = inParts ? 'some of it may be restored already' : keptAsItWas(database);
  return new LifeboatError('cancelled', `the restore of ${target} was interrupted; ${left}`, {
    cause: error,
    hint: 'run the same command again',
  });
}
