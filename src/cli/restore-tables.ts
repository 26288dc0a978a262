import { resolve } from 'node:path';
import { postgresConnection } from '../app/postgres-connection.ts';
import { LifeboatError } from '../core/errors.ts';
import type { RecoveryRequest } from '../engine/recover/choose.ts';
import { parseTableName } from '../engine/recover/logical/table-name.ts';
import { prepareTables, restoreTables, type TableRestoreOptions } from '../engine/recover/tables.ts';
import type { PostgresSource } from '../model/configuration.ts';
import { threadsDefault } from '../repository/workers/threads.ts';
import { secretSurroundings } from './configured.ts';
import { confirm } from './confirm.ts';
import { formatBytes, formatDuration } from './format.ts';
import { type NamedRepository, withRecoveryPlaces } from './recovery-places.ts';
import { createRecoveryPrinter, printRecoveryPlan } from './recovery-printer.ts';
import type { PhysicalRestoreContext } from './restore-physical.ts';
import { refuseOptions } from './restore-source-options.ts';

/** Options that say how a whole cluster is restored. */
const clusterOptions = ['tablespace', 'no-start', 'standby', 'stop-server', 'port', 'amcheck'];

async function goalOf(
  context: PhysicalRestoreContext,
  source: PostgresSource,
): Promise<Pick<TableRestoreOptions, 'goal' | 'database'>> {
  const { options: given } = context;
  const [database, ...others] = given.database;
  if (others.length > 0)
    throw new LifeboatError('usage', 'tables are restored out of one database at a time', {
      hint: 'run the command once for each database',
    });
  const secrets = secretSurroundings(context);
  if (given.output !== undefined) {
    const named = database ?? (await postgresConnection(source, secrets)).database;
    return { goal: { kind: 'file', path: resolve(given.output) }, database: named };
  }
  const { url } = given;
  const settings = await postgresConnection(url === undefined ? source : { url, password: null }, secrets);
  const named = database ?? settings.database;
  const { drop, noOwner, noPrivileges } = given;
  return {
    goal: {
      kind: 'database',
      settings: settings.with({ database: named }),
      drop,
      owner: !noOwner,
      privileges: !noPrivileges,
    },
    database: named,
  };
}

/** Restores single tables by way of a scratch server. @returns the exit status. @throws LifeboatError as `restoreTables`. */
export async function restorePhysicalTables(
  context: PhysicalRestoreContext,
  source: PostgresSource,
  repositories: readonly NamedRepository[],
  request: RecoveryRequest,
): Promise<number> {
  const { options: given, output, env } = context;
  refuseOptions(given, clusterOptions, 'single tables come out of a scratch server that is removed again');
  const startedMs = performance.now();
  const tables = given.table.map(parseTableName);
  return withRecoveryPlaces(context, repositories, async (places, signal) => {
    const options: TableRestoreOptions = {
      ...(await goalOf(context, source)),
      source: source.name,
      request,
      tables,
      scratch: given.target ?? source.scratch,
      binDirectory: source.binDirectory,
      users: [],
      workers: given.workers ?? threadsDefault(),
      signal,
    };
    const ready = await prepareTables(places, options);
    const printer = createRecoveryPrinter(output, env);
    try {
      printRecoveryPlan(output, ready.prepared.plan);
      if (given.dryRun) return 0;
      if (given.drop)
        await confirm(context, `Replace ${given.table.join(', ')} in ${options.database}?`, given.yes);
      const report = await restoreTables(ready, options, printer.events);
      printer.stop();
      const durationMs = performance.now() - startedMs;
      const where = options.goal.kind === 'file' ? options.goal.path : `the database ${options.database}`;
      if (output.json) output.jsonLine({ message_type: 'summary', ...report, where, durationMs });
      else {
        const { plan } = ready.prepared;
        output.info(
          `${report.tables.join(', ')} as of ${plan.target}: ${formatBytes(report.bytes)} into ${where}`,
        );
        output.info(`the scratch server is removed; done in ${formatDuration(durationMs)}`);
      }
      return 0;
    } finally {
      printer.stop();
      ready.close();
    }
  });
}
