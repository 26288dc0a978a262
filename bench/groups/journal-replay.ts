import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyCluster, copyFolder, proveCluster } from '../data/cluster.ts';
import type { Measurement } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { sampleOf } from '../measure/statistics.ts';
import { benchSource, lifeboatSource } from '../programs/lifeboat-source.ts';
import {
  asServer,
  type Beside,
  runAsServer,
  type Server,
  serverFolder,
  serverPrograms,
  startBeside,
  startServer,
} from '../programs/postgres.ts';
import { NotMeasured, removeFolder } from '../settings.ts';
import { type Bench, runWork, takingPart } from '../work.ts';

const factor = 0.95;
const peer = 'cp from a local archive';

/**
 * From the base backup to the end of the log. What counts is replay, from the first record to the last as each server
 * itself logs them. What the whole took is told beside it: by Lifeboat the restore of the base, a server that
 * recovers and one with its own settings; by the peer the server alone, over a copy that is there, until it
 * leaves recovery.
 */
export async function journalReplay(bench: Bench): Promise<void> {
  const { settings, lifeboat } = bench;
  const baseScale = 1;
  const loadScale = settings.quick ? 10 : 60;
  const ours = lifeboat.name;
  let server: Server | undefined;
  let receiver: Beside | undefined;
  const whole = new Map<string, number[]>();
  const note = (name: string, { seconds }: Measurement): void => {
    whole.set(name, [...(whole.get(name) ?? []), seconds]);
  };
  try {
    await runWork(bench, {
      id: 'journal-replay/pgbench',
      group: 'journal-replay',
      title: 'Recovery replay, as the servers log it',
      rules: [{ program: ours, peer, measure: 'seconds', kind: 'faster', wanted: factor }],
      async prepare() {
        const folder = serverFolder(settings, 'replay');
        const data = join(folder, 'data');
        const archive = serverFolder(settings, 'archive');
        await copyCluster(settings, data, baseScale);
        server = startServer(data, {
          ...{ fsync: 'off', wal_keep_size: '64GB', archive_mode: 'on' },
          archive_command: `cp "%p" '${archive}/%f'`,
        });
        const base = join(folder, 'base');
        const toBase = server.command('pg_basebackup', '-D', base, '-c', 'fast', '-X', 'none');
        runAsServer(toBase.file, toBase.args);
        const source = lifeboatSource(serverFolder(settings, 'lifeboat'));
        source.configure(server, { method: 'physical', way: 'local', journal: {} });
        const running = server;
        const our = async (): Promise<Contender> => {
          source.run('init', '-r', 'main');
          receiver = startBeside(source.command('wal', 'receive', '--source', benchSource));
          await settled(receiver);
          source.run('backup', '--source', benchSource, '--type', 'full');
          const target = join(folder, 'ours');
          return {
            name: ours,
            prepare: () => removeFolder(target),
            command: () =>
              source.command(
                'restore',
                benchSource,
                ...['--to', 'latest', '--target', target, '--yes', '--json'],
              ),
            counted(run) {
              note(ours, run);
              return replayToldBy(run.stdout);
            },
            verify() {
              stop(target);
              proveCluster(target, loadScale);
            },
            finish() {
              stop(target);
              return null;
            },
          };
        };
        const their = (): Contender => {
          const target = join(folder, 'theirs');
          return {
            name: peer,
            prepare() {
              copyFolder(base, target);
              appendFileSync(join(target, 'postgresql.conf'), recoverySettings(target, archive));
              writeFileSync(join(target, 'recovery.signal'), '');
            },
            command: () => recovery(target),
            counted(run) {
              note(peer, run);
              return replayLogged(`${target}.log`);
            },
            verify() {
              stop(target);
              proveCluster(target, loadScale);
            },
            finish() {
              stop(target);
              return null;
            },
          };
        };
        const taking = await takingPart([
          [ours, our],
          [peer, their],
        ]);
        settings.say('writing the log to replay');
        running.pgbench('-i', '-q', '-s', String(loadScale));
        running.pgbench('-n', '-c', '4', '-t', settings.quick ? '2000' : '50000');
        const segments = running.sql(
          `select pg_switch_wal(); select pg_current_xact_id(); select pg_switch_wal();
           select (pg_current_wal_lsn() - '0/0') / (16 * 1024 * 1024)`,
        );
        const end = running.sql('select pg_current_wal_flush_lsn()');
        if (receiver && !taking.missing?.has(ours)) await shipped(running, end, receiver);
        await receiver?.stop();
        running.stop();
        return {
          detail: () =>
            [
              `about ${segments.split('\n').at(-1)?.split('.')[0]} segments of 16 MiB`,
              ...wholeTexts(whole),
            ].join('; '),
          ...taking,
        };
      },
    });
  } finally {
    await receiver?.stop();
    server?.stop('immediate');
    for (const name of ['replay', 'archive', 'lifeboat']) removeFolder(join(settings.scratchFolder, name));
  }
}

const recoverySettings = (target: string, archive: string): string => `
unix_socket_directories = '${target}'
listen_addresses = ''
archive_mode = off
restore_command = 'cp "${archive}/%f" "%p"'
recovery_target_timeline = 'latest'
`;

/** Starts a server in recovery and ends when the recovery has ended. */
function recovery(target: string): ReturnType<Contender['command']> {
  const bin = serverPrograms();
  const script = `"$1/pg_ctl" -D "$2" -w -t 900 -l "$2.log" start >/dev/null && while [ -e "$2/recovery.signal" ]; do sleep 0.05; done`;
  return asServer({ file: 'sh', args: ['-c', script, 'recovery', bin, target] });
}

/** Seconds from the first record replayed to the last, as the server that recovered said. */
function replayToldBy(stdout: string): number {
  for (const line of stdout.trim().split('\n').reverse()) {
    const { message_type: type, reached } = JSON.parse(line) as {
      message_type?: string;
      reached?: { replayMs: number | null } | null;
    };
    if (type === 'summary' && typeof reached?.replayMs === 'number') return reached.replayMs / 1000;
  }
  throw new NotMeasured('the restore does not say how long replay took');
}

/** The same of a server's own log, whose lines begin with the time (log_line_prefix of initdb). */
function replayLogged(path: string): number {
  const lines = readFileSync(path, 'utf8').split('\n');
  const timeOf = (words: RegExp): number => {
    const [, day, time] = /^(\S+) (\S+) /.exec(lines.findLast((line) => words.test(line)) ?? '') ?? [];
    return Date.parse(`${day}T${time}Z`) / 1000;
  };
  const seconds = timeOf(/LOG: +redo done at /) - timeOf(/LOG: +redo starts at /);
  if (Number.isNaN(seconds)) throw new NotMeasured(`${path} does not say how long replay took`);
  return seconds;
}

const wholeTexts = (whole: ReadonlyMap<string, readonly number[]>): string[] =>
  [...whole].map(([name, seconds]) => `the whole by ${name}: ${sampleOf(seconds).median.toFixed(1)} s`);

function stop(target: string): void {
  try {
    runAsServer(join(serverPrograms(), 'pg_ctl'), ['-D', target, '-m', 'fast', '-w', 'stop']);
  } catch (error) {
    // It was stopped before.
    if (!(error instanceof NotMeasured)) throw error;
  }
}

async function settled(receiver: Beside): Promise<void> {
  await sleep(2000);
  const failure = receiver.failure();
  if (failure) throw new NotMeasured(failure);
}

async function shipped(server: Server, end: string, receiver: Beside): Promise<void> {
  const giveUp = Date.now() + 300_000;
  const query = `select count(*) from pg_stat_replication where flush_lsn >= '${end}'`;
  while (server.sql(query) === '0') {
    const failure = receiver.failure();
    if (failure) throw new NotMeasured(failure);
    if (Date.now() > giveUp) throw new NotMeasured('the log was not stored within 5 minutes');
    await sleep(200);
  }
}
