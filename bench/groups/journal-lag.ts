import { join } from 'node:path';
import { clusterScale, copyCluster } from '../data/cluster.ts';
import { describe } from '../data/data-set.ts';
import { watchShipping } from '../measure/shipping.ts';
import { sampleOf } from '../measure/statistics.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { type Beside, type Server, serverFolder, startBeside, startServer } from '../programs/postgres.ts';
import { type BarRule, barOf, missingRow, type Row } from '../report/comparison.ts';
import { NotMeasured, removeFolder, type Settings } from '../settings.ts';
import type { Bench } from '../work.ts';

const maxLagSeconds = 5;
const pointsMoreMax = 5;
const clients = 8;
const lagName = 'commit to durable in the repository, p99';
const pointsName = 'throughput lost, more than by pg_receivewal';

/** One receiver beside the load, or none. */
interface Variant {
  readonly name: string;
  readonly start: (server: Server, folder: string) => Beside | null;
}

interface Outcome {
  readonly transactionsPerSecond: number;
  /** Only of Lifeboat: seconds. */
  readonly lags: readonly number[];
}

/** What a receiver costs the server under full write load, and how far behind its repository is. */
export async function journalLag(bench: Bench): Promise<void> {
  const { settings, lifeboat } = bench;
  const rules: BarRule[] = [
    { program: lagName, measure: 'seconds', kind: 'within', wanted: maxLagSeconds + 1 },
    { program: pointsName, measure: 'points', kind: 'within', wanted: pointsMoreMax },
  ];
  const source = lifeboatSource(join(settings.scratchFolder, 'lifeboat'));
  const variants: readonly Variant[] = [
    { name: 'no receiver', start: () => null },
    {
      name: 'pg_receivewal',
      start(server, folder) {
        server.sql(`select pg_create_physical_replication_slot('receivewal')`);
        return startBeside(server.command('pg_receivewal', '-D', folder, '-S', 'receivewal'));
      },
    },
    {
      name: lifeboat.name,
      start(server) {
        source.configure(server, { method: 'physical', journal: { 'max-lag': `${maxLagSeconds}s` } });
        source.run('init', '-r', 'main');
        return startBeside(source.command('wal', 'receive', '--source', benchSource));
      },
    },
  ];
  const outcomes = new Map<string, Outcome[]>();
  const failed = new Map<string, string>();
  let detail = '';
  for (let run = 1; run <= settings.runs; run++) {
    for (const variant of variants) {
      if (failed.has(variant.name)) continue;
      try {
        const { outcome, about } = await underLoad(settings, variant, source.repository);
        detail = about;
        outcomes.set(variant.name, [...(outcomes.get(variant.name) ?? []), outcome]);
        settings.say(
          `journal-lag: run ${run}: ${variant.name}: ${outcome.transactionsPerSecond.toFixed(0)} tps`,
        );
      } catch (error) {
        if (!(error instanceof NotMeasured)) throw error;
        failed.set(variant.name, error.message);
        settings.say(`journal-lag: ${variant.name}: ${error.message}`);
      }
    }
  }
  const rows = rowsOf(variants, outcomes, failed);
  bench.emit({
    id: 'journal-lag/pgbench',
    group: 'journal-lag',
    title: 'Journal under full write load',
    detail: `${detail}; ${tpsText(variants, outcomes)}`,
    rows,
    bars: rules.map((rule) => barOf(rule, rows)),
    runs: settings.runs,
  });
}

function rowsOf(
  [none, receivewal, ours]: readonly Variant[],
  outcomes: ReadonlyMap<string, readonly Outcome[]>,
  failed: ReadonlyMap<string, string>,
): Row[] {
  const nothing = { seconds: null, peakBytes: null, storedBytes: null, reason: null };
  const reason = [...failed].map(([name, why]) => `${name}: ${why}`).join('; ');
  const of = (variant: Variant | undefined): readonly Outcome[] => outcomes.get(variant!.name) ?? [];
  const lags = of(ours).map((outcome) => percentile(outcome.lags, 0.99));
  // Runs are compared with their neighbours in time: the machine's mood changes slowly.
  const points = of(none).flatMap((base, run) => {
    const other = of(receivewal)[run];
    const mine = of(ours)[run];
    if (!other || !mine) return [];
    const lost = (outcome: Outcome): number =>
      100 * (1 - outcome.transactionsPerSecond / base.transactionsPerSecond);
    return [lost(mine) - lost(other)];
  });
  return [
    lags.length > 0 ? { program: lagName, ...nothing, seconds: sampleOf(lags) } : missingRow(lagName, reason),
    points.length > 0
      ? { program: pointsName, ...nothing, points: sampleOf(points) }
      : missingRow(pointsName, reason),
  ];
}

function tpsText(variants: readonly Variant[], outcomes: ReadonlyMap<string, readonly Outcome[]>): string {
  const text = ({ name }: Variant): string => {
    const all = outcomes.get(name) ?? [];
    if (all.length === 0) return `${name}: not measured`;
    return `${name}: ${sampleOf(all.map((each) => each.transactionsPerSecond)).median.toFixed(0)} tps`;
  };
  return variants.map(text).join(', ');
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

async function underLoad(
  settings: Settings,
  variant: Variant,
  repository: string,
): Promise<{ outcome: Outcome; about: string }> {
  const folder = serverFolder(settings, 'journal');
  const received = serverFolder(settings, 'receivewal');
  serverFolder(settings, 'lifeboat');
  const data = join(folder, 'data');
  const set = await copyCluster(settings, data);
  const server = startServer(data);
  let receiver: Beside | null = null;
  try {
    receiver = variant.start(server, received);
    const isOurs = receiver !== null && variant.name !== 'pg_receivewal';
    const seconds = settings.quick ? 10 : 60;
    const load = ['-n', '-c', String(clients), '-j', '2', '-T', String(seconds)];
    server.pgbench('-n', '-c', String(clients), '-T', settings.quick ? '1' : '5'); // all is warm, all are connected
    const shipping = watchShipping(server, isOurs ? repository : null);
    const { stdout } = await shipping.during(server.command('pgbench', ...load, 'postgres'));
    const tps = /tps = ([\d.]+) \(without/.exec(stdout)?.[1];
    if (tps === undefined) throw new NotMeasured(`pgbench said no throughput: ${stdout.slice(0, 100)}`);
    const failure = receiver?.failure();
    if (failure) throw new NotMeasured(failure);
    const lags = isOurs ? await shipping.lags(60) : [];
    const about = `${describe(set)}, ${clients} clients for ${seconds} s, scale ${clusterScale(settings.quick)}`;
    return { outcome: { transactionsPerSecond: Number(tps), lags }, about };
  } finally {
    await receiver?.stop();
    server.stop('immediate');
    for (const name of ['journal', 'receivewal', 'lifeboat'])
      removeFolder(join(settings.scratchFolder, name));
  }
}
