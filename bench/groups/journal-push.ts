import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyCluster } from '../data/cluster.ts';
import { bytesBelow } from '../measure/files.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import { pgBackRest, pgBackRestName } from '../programs/pgbackrest.ts';
import {
  asServer,
  type Beside,
  type Server,
  serverFolder,
  startBeside,
  startServer,
} from '../programs/postgres.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import { type Bench, orReason, runWork, takingPart } from '../work.ts';

const factor = 1.5;

/** A backlog of finished segments, archived by the server's own archiver through archive_command. */
export async function journalPush(bench: Bench): Promise<void> {
  const { settings, lifeboat } = bench;
  const wanted = settings.quick ? 20 : 200;
  const named = orReason(() => `${pgBackRestName()}, async`);
  const peer = named instanceof NotMeasured ? 'pgBackRest' : named;
  const ours = lifeboat.name;
  let server: Server | undefined;
  let resident: Beside | undefined;
  try {
    await runWork(bench, {
      id: 'journal-push/backlog',
      group: 'journal-push',
      title: `Archiving a backlog of ${wanted} segments`,
      rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
      async prepare() {
        const folder = serverFolder(settings, 'journal');
        const data = join(folder, 'data');
        await copyCluster(settings, data);
        const idle = { archive_mode: 'on', archive_command: 'false', wal_keep_size: '64GB' };
        server = startServer(data, { fsync: 'off', checkpoint_timeout: '1min', ...idle });
        const running = server;
        settings.say(`making ${wanted} segments`);
        while (backlog(data, '.ready').length < wanted) {
          running.pgbench('-n', '-c', '4', '-t', '20000');
          running.sql('checkpoint');
        }
        running.stop();
        const segments = backlog(data, '.ready').slice(0, wanted);
        for (const extra of backlog(data, '.ready').slice(wanted)) mark(data, extra, 'done');
        const last = segments.at(-1)!;
        const theirs = pgBackRest(serverFolder(settings, 'pgbackrest'));
        const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
        theirs.configure({ data, socket: `${data}.socket` }, { 'archive-async': 'y' });

        /** The server runs; it knows no way to archive, and no segment waits for it yet. */
        const restart = (): Server => {
          server?.stop();
          for (const name of segments) mark(data, name, 'done');
          return (server = startServer(data, { fsync: 'off', wal_keep_size: '64GB', archive_mode: 'on' }));
        };
        /**
         * The segments wait, and the server is told how to archive: nobody can store any before the clock starts.
         * Ends when the last one is archived.
         */
        const archiving = (command: string): Contender['command'] => {
          const done = join(data, 'pg_wal', 'archive_status', `${last}.done`);
          const script = `"$1" -X -q -h "$2" -p 54321 -U postgres -d postgres -v "c=$3" -f - <<'SQL' && until [ -e "$4" ]; do sleep 0.05; done
alter system set archive_command = :'c';
select pg_reload_conf();
SQL`;
          const psql = join(running.programs, 'psql');
          return () => {
            for (const name of segments) mark(data, name, 'ready');
            return asServer({
              file: 'sh',
              args: ['-c', script, 'archiving', psql, `${data}.socket`, command, done],
            });
          };
        };
        const forget = (): void => {
          server?.sql(`alter system set archive_command = ''`);
          server?.stop();
        };
        const their = (): Contender => ({
          name: peer,
          prepare() {
            removeFolder(theirs.repository);
            removeFolder(join(theirs.folder, 'spool'));
            theirs.configure({ data, socket: `${data}.socket` }, { 'archive-async': 'y' });
            restart();
            theirs.run('stanza-create', '--no-online');
          },
          command: archiving(theirs.archiveCommand),
          finish() {
            forget();
            return bytesBelow(join(theirs.repository, 'archive'));
          },
        });
        const our = (): Contender => ({
          name: ours,
          async prepare() {
            removeFolder(source.repository);
            const up = restart();
            source.configure(up, { method: 'physical', journal: { way: 'push' } });
            source.run('init', '-r', 'main');
            // Takes the segments over a local socket, so that no command starts the whole program.
            resident = startBeside(source.command('wal', 'receive', '--source', benchSource));
            await sleep(2000);
            const failure = resident.failure();
            if (failure) throw new NotMeasured(failure);
          },
          command: archiving(source.archiveCommand),
          async finish() {
            await resident?.stop();
            forget();
            const journal = join(source.repository, 'lifeboat', 'journal');
            return existsSync(journal) ? bytesBelow(journal) : 0;
          },
        });
        const taking = await takingPart([
          [ours, our],
          [peer, their],
        ]);
        return { detail: `written by pgbench, ${wanted * 16} MiB; the server runs the command`, ...taking };
      },
    });
  } finally {
    await resident?.stop();
    server?.stop('immediate');
    for (const name of ['journal', 'pgbackrest', 'lifeboat'])
      removeFolder(join(settings.scratchFolder, name));
  }
}

const statusFolder = (data: string): string => join(data, 'pg_wal', 'archive_status');

/** Segments that are marked so, oldest first. */
function backlog(data: string, mark: '.ready' | '.done'): string[] {
  return readdirSync(statusFolder(data))
    .filter((name) => name.endsWith(mark))
    .map((name) => name.slice(0, -mark.length))
    .sort();
}

function mark(data: string, segment: string, as: 'ready' | 'done'): void {
  const other = as === 'ready' ? 'done' : 'ready';
  const path = join(statusFolder(data), segment);
  if (existsSync(`${path}.${other}`)) renameSync(`${path}.${other}`, `${path}.${as}`);
}
