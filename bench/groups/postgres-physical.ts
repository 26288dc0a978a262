import { join } from 'node:path';
import { clusterScale, copyCluster } from '../data/cluster.ts';
import { type DataSet, describe } from '../data/data-set.ts';
import { type LifeboatSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { type PgBackRest, pgBackRest, pgBackRestName } from '../programs/pgbackrest.ts';
import { type Server, serverFolder, startServer } from '../programs/postgres.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import { type Bench, orReason, type Prepared, runWork } from '../work.ts';

/** What physical backups and restores are tried on: a running server, and both programs configured for it. */
export interface PhysicalGround {
  /** For data directories; `data` is the server's. */
  readonly folder: string;
  readonly data: string;
  readonly set: DataSet;
  readonly server: Server;
  readonly theirs: PgBackRest;
  readonly source: LifeboatSource;
  /** Names in tables. */
  readonly ours: string;
  readonly peer: string;
}

export interface PhysicalWork {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  /** How much faster than pgBackRest. */
  readonly factor: number;
}

/** Measures work on a physical backup; the server and all that was made for it are gone afterwards. */
export async function runPhysical(
  bench: Bench,
  { id, group, title, factor }: PhysicalWork,
  prepare: (ground: PhysicalGround) => Promise<Omit<Prepared, 'detail'>>,
): Promise<void> {
  const { settings } = bench;
  const named = orReason(pgBackRestName);
  const peer = named instanceof NotMeasured ? 'pgBackRest' : named;
  const ours = bench.lifeboat.name;
  let server: Server | undefined;
  try {
    await runWork(bench, {
      ...{ id, group, title },
      rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
      async prepare() {
        const folder = serverFolder(settings, 'physical');
        const data = join(folder, 'data');
        const set = await copyCluster(settings, data);
        const theirs = pgBackRest(serverFolder(settings, 'pgbackrest'));
        const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
        theirs.configure({ data, socket: `${data}.socket` });
        server = startServer(data, {
          fsync: 'off',
          archive_mode: 'on',
          archive_command: theirs.archiveCommand,
        });
        source.configure(server, { method: 'physical', way: 'local' });
        const prepared = await prepare({ folder, data, set, server, theirs, source, ours, peer });
        const detail = `${describe(set)}${clusterScale(settings.quick) === 75 ? '' : ' (small)'}`;
        return { detail, ...prepared };
      },
    });
  } finally {
    server?.stop();
    for (const name of ['physical', 'pgbackrest', 'lifeboat'])
      removeFolder(join(settings.scratchFolder, name));
  }
}
