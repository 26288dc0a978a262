import { setTimeout as sleep } from 'node:timers/promises';
import { storageAt } from '../app/connect.ts';
import { hasCode, LifeboatError } from '../core/errors.ts';
import { copyToTargets } from '../engine/copy/copy.ts';
import { copyJournal } from '../engine/copy/copy-journal.ts';
import {
  type CopyPlace,
  describeJournal,
  journaledSources,
  type ListedPlace,
  planSnapshots,
} from '../engine/copy/plan-copy.ts';
import type { Configuration } from '../model/configuration.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { type CopyRoute, copyRoutes } from '../policy/copy-routes.ts';
import { selectSnapshots } from '../policy/snapshot-selection.ts';
import { listSnapshots } from '../repository/snapshots.ts';
import type { Compression } from '../repository/workers/protocol.ts';
import { warmThreads } from '../repository/workers/threads.ts';
import { repositoryNamed, requireConfiguration, sourceNamed } from './configured.ts';
import type { CopyContext } from './copy-options.ts';
import { type CopyPlaces, copyPlaces } from './copy-places.ts';
import { type CopyPrinter, createCopyPrinter } from './copy-printer.ts';
import { rememberPlaces } from './remember-places.ts';
import { asLifeboatError, reportError } from './report-error.ts';
import { retainIfDue } from './retain-if-due.ts';
import { snapshotFilterOf } from './snapshot-options.ts';
import { storageAccess } from './storage-access.ts';

/** Copies between repositories of the configuration, by name or as `protect` says. */

interface Run {
  readonly context: CopyContext;
  readonly configuration: Configuration;
  readonly places: CopyPlaces;
  readonly printer: CopyPrinter;
  readonly failures: LifeboatError[];
}

const lookAgainMs = 1_000;

/**
 * A target that fails does not keep the others from getting theirs.
 * @returns the exit status. @throws LifeboatError of the only target where there is one, `copy-incomplete` where
 * several were to be filled, and what the configuration and the names throw.
 */
export async function copyNamed(context: CopyContext): Promise<number> {
  const { options, output } = context;
  const configuration = await requireConfiguration(context);
  for (const name of [...options.from, ...options.to]) repositoryNamed(configuration, name);
  for (const name of options.source) sourceNamed(configuration, name);
  const routes = copyRoutes(configuration, { from: options.from, to: options.to, sources: options.source });
  const targets = new Set(routes.flatMap(({ to }) => to));
  if (!options.dryRun) warmThreads();
  const places = copyPlaces(context, configuration, {
    verify: options.verify,
    targets,
    dryRun: options.dryRun,
  });
  const printer = createCopyPrinter(context, places);
  const run: Run = { context, configuration, places, printer, failures: [] };
  try {
    await copyRoutesOf(run, routes);
    if (!options.dryRun) await finish(run, targets);
  } finally {
    printer.stop();
    await places.close();
  }
  printer.finish([...targets]);
  const [first] = run.failures;
  if (!first) return 0;
  if (targets.size === 1 && run.failures.length === 1) throw first;
  for (const each of run.failures) reportError(each, output, context.env);
  throw new LifeboatError(
    'copy-incomplete',
    `not everything was copied: ${run.failures.length} failed, as said above`,
  );
}

/** What targets that keep what they get for a time need besides, and what is remembered of all. */
async function finish(
  { context, configuration, places, failures }: Run,
  targets: ReadonlySet<string>,
): Promise<void> {
  for (const { name, repository, signal } of places.opened()) {
    if (!targets.has(name)) continue;
    try {
      await retainIfDue(context, repository, signal);
    } catch (thrown) {
      const error = asLifeboatError(thrown, context.signal);
      if (context.signal.aborted) throw error;
      failures.push(named(name, error));
    }
  }
  await rememberPlaces(context, configuration, places.opened());
}

async function copyRoutesOf(run: Run, routes: readonly CopyRoute[]): Promise<void> {
  const { wait, whenMounted } = run.context.options;
  const untilMs = performance.now() + (wait ?? 0);
  for (let due = routes; ; ) {
    const absent: CopyRoute[] = [];
    for (const route of due) absent.push(...(await copyRoute(run, route)));
    const waiting = whenMounted && absent.length > 0 && performance.now() < untilMs;
    if (waiting) run.printer.waiting(namesOf(absent));
    due = waiting ? await someMounted(run, absent, untilMs) : [];
    if (due.length === 0) return;
  }
}

const namesOf = (routes: readonly CopyRoute[]): string[] => [...new Set(routes.flatMap(({ to }) => to))];

/** Waits until one of the targets is there. @returns the routes, or none where time is over. */
async function someMounted(
  run: Run,
  absent: readonly CopyRoute[],
  untilMs: number,
): Promise<readonly CopyRoute[]> {
  const { context, configuration, places } = run;
  const names = [...new Set(absent.flatMap(({ from, to }) => [from, ...to]))];
  while (performance.now() < untilMs) {
    await sleep(Math.min(lookAgainMs, Math.max(1, untilMs - performance.now())), undefined, {
      signal: context.signal,
    });
    for (const name of names) {
      if (!places.failed(name)) continue;
      const { location, options } = repositoryNamed(configuration, name);
      if ((await storageAt(location, storageAccess(context, options)).size('config')) === null) continue;
      places.retry(name);
      return absent;
    }
  }
  return [];
}

/** @returns what is left of the route for when media are mounted. */
async function copyRoute(run: Run, route: CopyRoute): Promise<CopyRoute[]> {
  const { context, failures, printer } = run;
  const absent: string[] = [];
  const attempt = async <T>(name: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (thrown) {
      const error = asLifeboatError(thrown, context.signal);
      if (context.signal.aborted || hasCode(error, 'cancelled')) throw error;
      const isLeft = hasCode(error, 'repository-absent') && context.options.whenMounted;
      if (isLeft) absent.push(name);
      else failures.push(named(name, error));
      if (isLeft) printer.absent(name, error);
      return null;
    }
  };
  const [from, ...targets] = await Promise.all(
    [route.from, ...route.to].map((name) => attempt(name, () => listed(run.places, name))),
  );
  const open = targets.filter((each) => each !== null);
  if (from && open.length > 0) {
    printer.route(
      route.from,
      open.map(({ place }) => place.name),
    );
    await attempt(route.from, () => copyBetween(run, route, from, open));
  }
  const left = from ? route.to.filter((name) => absent.includes(name)) : absent.length > 0 ? route.to : [];
  return left.length > 0 ? [{ ...route, to: left }] : [];
}

function named(name: string, error: LifeboatError): LifeboatError {
  const { code, message, hint, cause } = error;
  return new LifeboatError(code, message.includes(name) ? message : `${name}: ${message}`, {
    hint,
    cause: cause ?? error,
  });
}

interface ReadPlace extends ListedPlace {
  readonly broken: readonly LifeboatError[];
}

async function listed(places: CopyPlaces, name: string): Promise<ReadPlace> {
  const place = await places.open(name);
  const { snapshots, broken } = await listSnapshots(place.repository, true);
  return { place, snapshots, broken: [...broken.values()] };
}

/** @throws LifeboatError of the source; failures of targets are noted. */
async function copyBetween(
  run: Run,
  route: CopyRoute,
  from: ReadPlace,
  targets: readonly ReadPlace[],
): Promise<void> {
  const { context, configuration, failures, printer } = run;
  const { options } = context;
  failures.push(...from.broken.map((error) => named(from.place.name, error)));
  const plan = planSnapshots(chosenOf(context, from.snapshots), route.sources, targets);
  const hasJournal = (name: string): boolean => {
    const source = configuration.sources[name];
    return source?.type === 'postgres' && source.journal !== null;
  };
  const sources = await journaledSources(from.place, route.sources, hasJournal);
  const places = targets.map(({ place }) => place);
  if (options.dryRun) {
    for (const each of plan) printer.planned(each);
    for (const target of places)
      for (const source of sources) printer.plannedJournal(await describeJournal(from.place, target, source));
    return;
  }
  const signal = AbortSignal.any([context.signal, from.place.signal]);
  const snapshots = copyToTargets(
    from.place.repository,
    targets.map(({ place: { name, repository, signal: own } }, n) => ({
      name,
      repository,
      snapshots: plan[n]!.copy,
      signal: own,
    })),
    {
      signal,
      compression: context.global.compression as Compression,
      ...(context.global.packBytes === undefined ? {} : { packBytes: context.global.packBytes }),
      events: printer.events(from.place.name),
    },
  );
  // A failure of one of them must not leave the other at work on what is then closed.
  const [copied, journals] = await Promise.allSettled([
    snapshots,
    copyJournals(run, from.place, places, sources, signal),
  ]);
  if (copied.status === 'rejected') throw copied.reason;
  for (const [n, outcome] of copied.value.entries()) {
    printer.copied(outcome, plan[n]!.alreadyThere);
    if (outcome.failure !== null)
      failures.push(named(outcome.name, asLifeboatError(outcome.failure, signal)));
  }
  if (journals.status === 'rejected') throw journals.reason;
}

/** With names only those snapshots; a filter as everywhere. @throws LifeboatError `snapshot-missing`, `usage`. */
function chosenOf(
  { args, options }: CopyContext,
  snapshots: readonly StoredSnapshot[],
): readonly StoredSnapshot[] {
  const { snapshots: chosen, problems } = selectSnapshots(snapshots, args, snapshotFilterOf(options));
  if (problems[0]) throw problems[0];
  return chosen;
}

async function copyJournals(
  run: Run,
  from: CopyPlace,
  targets: readonly CopyPlace[],
  sources: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  // Snapshots that are named are meant alone.
  if (run.context.args.length > 0) return;
  for (const source of sources) {
    const report = await copyJournal(
      from.journal,
      targets.map(({ journal, signal: own }) => ({ place: journal, signal: own })),
      source,
      { signal },
    );
    run.printer.journal(report);
    for (const { name, failure } of report.outcomes)
      if (failure !== null) run.failures.push(named(name, asLifeboatError(failure, signal)));
    run.failures.push(...report.problems.map((error) => named(from.name, error)));
  }
}
