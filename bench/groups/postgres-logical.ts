import { statSync } from 'node:fs';
import { join } from 'node:path';
import { copyCluster, copyFolder } from '../data/cluster.ts';
import { measure } from '../measure/process.ts';
import { sampleOf } from '../measure/statistics.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { asServer, type Server, serverFolder, startServer } from '../programs/postgres.ts';
import { repositoryBytes } from '../programs/repositories.ts';
import { type BarRule, barOf, missingRow, type Row } from '../report/comparison.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import type { Bench } from '../work.ts';

const days = 14;
const growthMax = 1.4;
/** Neighbouring rows change together: orders of one customer, entries of one day. About a page of them. */
const rowsTogether = 60;

const names = {
  last: `repository after ${days} daily backups`,
  first: 'repository after the first backup',
  dumps: `${days} compressed dumps (pg_dump -Fc -Z3)`,
};

/** How much a repository grows by a logical backup each day, while 1% of the rows change. */
export async function postgresLogical(bench: Bench): Promise<void> {
  const { settings } = bench;
  const scale = settings.quick ? 4 : 25;
  const rule: BarRule = {
    program: names.last,
    peer: names.first,
    measure: 'storedBytes',
    kind: 'within',
    wanted: growthMax,
  };
  let rows: Row[];
  let detail = '';
  let server: Server | undefined;
  try {
    const folder = serverFolder(settings, 'logical');
    const data = join(folder, 'data');
    const before = join(folder, 'before');
    await copyCluster(settings, before, scale);
    server = startServer(before, { fsync: 'off' });
    // pgbench leaves this column blank: a first backup would be almost nothing, and any change much.
    server.sql('update pgbench_accounts set filler = md5(random()::text)');
    server.sql('vacuum full pgbench_accounts');
    server.stop();
    copyFolder(before, data);
    server = startServer(data, { fsync: 'off' });
    const dumped = await dumpDaily(server, folder, scale, settings.say);
    server.stop();
    copyFolder(before, data);
    server = startServer(data, { fsync: 'off' });
    rows = [row(names.dumps, dumped.bytes, dumped.seconds)];
    try {
      const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
      source.configure(server, { method: 'logical' });
      source.run('init', '-r', 'main');
      const stored: number[] = [];
      const seconds: number[] = [];
      for (let day = 0; day < days; day++) {
        if (day > 0) changeRows(server, scale, day);
        seconds.push((await measure(source.command('backup', '--source', benchSource))).seconds);
        stored.push(repositoryBytes(source.repository));
        settings.say(`logical backup of day ${day + 1}: ${(stored.at(-1)! / 1e6).toFixed(1)} MB stored`);
      }
      rows.unshift(row(names.last, stored.at(-1)!, seconds), row(names.first, stored[0]!, [seconds[0]!]));
    } catch (error) {
      if (!(error instanceof NotMeasured)) throw error;
      rows.unshift(...[names.last, names.first].map((name) => missingRow(name, error.message)));
    }
    detail = `pgbench scale ${scale}; each day 1% of the rows, in runs of ${rowsTogether}, evenly drawn`;
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
    rows = Object.values(names).map((name) => missingRow(name, error.message));
  } finally {
    server?.stop();
    for (const name of ['logical', 'lifeboat']) removeFolder(join(settings.scratchFolder, name));
  }
  bench.emit({
    id: 'postgres-logical/growth',
    group: 'postgres-logical',
    title: 'Growth by daily logical backups',
    detail,
    rows,
    bars: [barOf(rule, rows)],
    runs: 1,
  });
}

function row(program: string, bytes: number, seconds: readonly number[]): Row {
  return {
    program,
    seconds: sampleOf(seconds),
    peakBytes: null,
    storedBytes: sampleOf([bytes]),
    reason: null,
  };
}

function changeRows(server: Server, scale: number, day: number): void {
  const runs = Math.floor((scale * 100_000) / rowsTogether);
  server.sql(`
    select setseed(${day / 100});
    update pgbench_accounts set abalance = abalance + (random() * 1000)::int, filler = md5(random()::text)
      where aid / ${rowsTogether} = any (array(
        select floor(random() * ${runs})::int from generate_series(1, ${Math.ceil(runs / 100)})));
    vacuum pgbench_accounts;`);
}

async function dumpDaily(
  server: Server,
  folder: string,
  scale: number,
  say: (text: string) => void,
): Promise<{ bytes: number; seconds: number[] }> {
  const file = join(folder, 'dump');
  const seconds: number[] = [];
  let bytes = 0;
  for (let day = 0; day < days; day++) {
    if (day > 0) changeRows(server, scale, day);
    const dump = server.command('pg_dump', '-Fc', '-Z3', '-f', file, 'postgres');
    seconds.push((await measure(asServer(dump))).seconds);
    bytes += statSync(file).size;
  }
  say(`${days} compressed dumps: ${(bytes / 1e6).toFixed(1)} MB`);
  return { bytes, seconds };
}
