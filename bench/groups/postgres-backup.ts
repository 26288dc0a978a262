import { join } from 'node:path';
import { changePages, clusterScale, copyCluster } from '../data/cluster.ts';
import { describe } from '../data/data-set.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { pgBackRest, pgBackRestName } from '../programs/pgbackrest.ts';
import { type Server, serverFolder, startServer } from '../programs/postgres.ts';
import { cloneRepository, repositoryBytes } from '../programs/repositories.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import { type Bench, orReason, runWork, takingPart } from '../work.ts';

const factor = 1.5;

/** Physical backups of a running server by its socket: everything, and after 1% of the pages changed. */
export async function postgresFull(bench: Bench): Promise<void> {
  await physicalBackup(bench, 'full');
}

export async function postgresIncremental(bench: Bench): Promise<void> {
  await physicalBackup(bench, 'incremental');
}

async function physicalBackup(bench: Bench, type: 'full' | 'incremental'): Promise<void> {
  const { settings, lifeboat } = bench;
  const named = orReason(pgBackRestName);
  const peer = named instanceof NotMeasured ? 'pgBackRest' : named;
  const ours = lifeboat.name;
  let server: Server | undefined;
  try {
    await runWork(bench, {
      id: `postgres-${type}/pgbench`,
      group: `postgres-${type}`,
      title: type === 'full' ? 'Physical backup, full' : 'Physical backup, 1% of the pages changed',
      rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
      async prepare() {
        const folder = serverFolder(settings, 'physical');
        const data = join(folder, 'data');
        const set = await copyCluster(settings, data);
        const theirs = pgBackRest(serverFolder(settings, 'pgbackrest'));
        const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
        const archive = { archive_mode: 'on', archive_command: theirs.archiveCommand };
        theirs.configure({ data, socket: `${data}.socket` });
        server = startServer(data, { fsync: 'off', ...archive });
        source.configure(server, { method: 'physical', way: 'local' });
        const running = server;

        const their = (): Contender => {
          theirs.run('stanza-create');
          if (type === 'incremental') theirs.run('backup', '--type=full');
          const empty = `${theirs.repository}-before`;
          cloneRepository(theirs.repository, empty);
          return {
            name: peer,
            prepare: () => cloneRepository(empty, theirs.repository),
            command: () => theirs.command('backup', `--type=${type === 'full' ? 'full' : 'incr'}`),
            finish: () => repositoryBytes(theirs.repository) - repositoryBytes(empty),
          };
        };
        const our = (): Contender => {
          source.run('init', '-r', 'main');
          if (type === 'incremental') source.run('backup', '--source', benchSource, '--type', 'full');
          const empty = `${source.repository}-before`;
          cloneRepository(source.repository, empty);
          return {
            name: ours,
            prepare: () => cloneRepository(empty, source.repository),
            command: () => source.command('backup', '--source', benchSource, '--type', type),
            verify: () => void source.run('check', '-r', 'main'),
            finish: () => repositoryBytes(source.repository) - repositoryBytes(empty),
          };
        };
        const taking = await takingPart([
          [peer, their],
          [ours, our],
        ]);
        if (type === 'incremental') changePages(running, 1);
        const detail = `${describe(set)}${clusterScale(settings.quick) === 75 ? '' : ' (small)'}`;
        return { detail, ...taking, contenders: taking.contenders.toReversed() };
      },
    });
  } finally {
    server?.stop();
    removeFolder(join(settings.scratchFolder, 'physical'));
  }
}
