import { join } from 'node:path';
import { copyCluster } from '../data/cluster.ts';
import { describe } from '../data/data-set.ts';
import { bytesBelow } from '../measure/files.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { asServer, type Server, serverFolder, startServer } from '../programs/postgres.ts';
import { cloneRepository, repositoryBytes } from '../programs/repositories.ts';
import { removeFolder } from '../settings.ts';
import { type Bench, runWork, takingPart } from '../work.ts';

const factor = 1;
/** By TCP, as a server elsewhere is reached. */
const loopback = '127.0.0.1';
const peers = {
  plain: 'pg_basebackup, plain files',
  tar: 'pg_basebackup, tar',
} as const;

/** Physical backups through the replication protocol, against PostgreSQL's own client that writes to disk. */
export async function postgresRemote(bench: Bench): Promise<void> {
  const { settings, lifeboat } = bench;
  const ours = lifeboat.name;
  let server: Server | undefined;
  try {
    await runWork(bench, {
      id: 'postgres-remote/pgbench',
      group: 'postgres-remote',
      title: 'Remote physical backup, full',
      rules: [{ program: ours, peer: peers.plain, measure: 'seconds', kind: 'faster', wanted: factor }],
      async prepare() {
        const folder = serverFolder(settings, 'physical');
        const data = join(folder, 'data');
        const set = await copyCluster(settings, data);
        server = startServer(data, { fsync: 'off', listen_addresses: loopback });
        const running = server;
        const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
        source.configure(
          { url: `postgresql://postgres@${loopback}:${server.port}/postgres` },
          { method: 'physical', way: 'remote' },
        );
        const our = (): Contender => {
          source.run('init', '-r', 'main');
          const empty = `${source.repository}-before`;
          cloneRepository(source.repository, empty);
          return {
            name: ours,
            prepare: () => cloneRepository(empty, source.repository),
            command: () => source.command('backup', '--source', benchSource, '--type', 'full'),
            verify: () => void source.run('check', '-r', 'main'),
            finish: () => repositoryBytes(source.repository),
          };
        };
        const their = (format: keyof typeof peers): Contender => {
          const target = join(folder, format);
          const args = ['-h', loopback, '-D', target, `--format=${format}`, '-c', 'fast', '-X', 'none'];
          return {
            name: peers[format],
            prepare: () => removeFolder(target),
            command: () => asServer(running.command('pg_basebackup', ...args)),
            finish() {
              const bytes = bytesBelow(target);
              removeFolder(target);
              return bytes;
            },
          };
        };
        const taking = await takingPart([
          [ours, our],
          [peers.plain, () => their('plain')],
          [peers.tar, () => their('tar')],
        ]);
        return { detail: `${describe(set)}; no WAL with it on the peer's side`, ...taking };
      },
    });
  } finally {
    server?.stop();
    for (const name of ['physical', 'lifeboat']) removeFolder(join(settings.scratchFolder, name));
  }
}
