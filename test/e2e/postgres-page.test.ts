import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, createCluster, freePort, superuser } from '../postgres/cluster.ts';
import { asServerAccount, missingServer } from '../postgres/programs.ts';
import { lifeboat } from '../programs.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'postgres.md'), 'utf8');

interface Block {
  readonly language: string;
  /** The file that it is to be put into, or null for what is to be run. */
  readonly path: string | null;
  readonly body: string;
}

const blocks: readonly Block[] = [
  ...page.matchAll(/(?:ut this into\s`([^`]+)`[^\n]*\n\n)?^```(\w+)\n([\s\S]*?)^```$/gm),
].map(([, path, language, body]) => ({ language: language!, path: path ?? null, body: body! }));

/** Lines of the page's crontab are run like everything else, where that has not been done. */
function scheduled({ body }: Block): string {
  return [...body.matchAll(/^(?:\S+\s+){5}postgres\s+(.*)$/gm)]
    .map(([, command]) => command!)
    .filter((command) => !blocks.some((each) => each.language === 'sh' && each.body.trim() === command))
    .join('\n');
}

/** The page as one script, in its own order. */
function script(): string {
  return blocks
    .map((block) => {
      const { language, path, body } = block;
      if (path === null) return language === 'sh' ? body : '';
      const written = `cat > '${path}' <<'END OF FILE'\n${body}END OF FILE\n`;
      return language === 'crontab' ? `${written}${scheduled(block)}\n` : written;
    })
    .join('\n');
}

/** The page's example values and what stands for them here; the longer ones first. */
function valuesFor(cluster: Cluster, folder: string, ports: readonly number[]): [string, string][] {
  return [
    [
      'postgresql://shop:secret@db.example.com:5432/shop?sslmode=require',
      cluster.urlOf({ user: 'shop', password: 'secret', database: 'shop', host: '127.0.0.1' }),
    ],
    ['127.0.0.1:5432', `127.0.0.1:${cluster.port}`],
    ['5433', String(ports[0])],
    ['5434', String(ports[1])],
    ['-o postgres -g postgres ', ''],
    ['/usr/local/bin/lifeboat', join(folder, 'bin', 'lifeboat')],
    ['/usr/lib/postgresql/15/bin', cluster.bin],
    ...[
      '/etc/lifeboat',
      '/etc/systemd/system',
      '/etc/cron.d',
      '/var/lib/lifeboat',
      '/var/lib/postgresql',
    ].map((path): [string, string] => [path, join(folder, path)]),
    ['max-lag: 5s', 'max-lag: 1s'],
    ['sleep 6', 'sleep 2'],
  ];
}

/** Makes a program for the page. */
function program(folder: string, name: string, lines: string): void {
  const path = join(folder, 'bin', name);
  writeFileSync(path, `#!/bin/sh\n${lines}\n`);
  chmodSync(path, 0o755);
}

/** What the page takes for granted: folders, a database, systemd; servers are not run by root here either. */
async function setTheStage(cluster: Cluster, folder: string): Promise<void> {
  for (const path of ['bin', 'run', 'etc/systemd/system', 'etc/cron.d', 'var/lib/postgresql'])
    mkdirSync(join(folder, path), { recursive: true });
  symlinkSync(lifeboat().path, join(folder, 'bin', 'lifeboat'));
  const { uid, gid } = asServerAccount();
  const as = uid === undefined ? '' : `setpriv --reuid=${uid} --regid=${gid} --clear-groups `;
  program(folder, 'pg_ctl', `cd / && exec ${as}'${join(cluster.bin, 'pg_ctl')}' "$@"`);
  const units = join(folder, 'etc/systemd/system');
  program(
    folder,
    'systemctl',
    `[ "$1" != daemon-reload ] || exit 0
[ "$1 $2" = 'enable --now' ] || exit 1
$(sed -n 's/^ExecStart=//p' '${units}'/"$3") > '${units}/log' 2>&1 &
echo $! > '${units}/pid'`,
  );
  // Nobody but the superuser is let in by other lines than the page's.
  const hba = blocks.find(({ language }) => language === 'conf')!.body;
  writeFileSync(
    join(cluster.data, 'pg_hba.conf'),
    `local all ${superuser} trust\n${hba}host all shop 127.0.0.1/32 scram-sha-256\n`,
  );
  await cluster.start();
  await cluster.sql('create database app');
  await cluster.sql("create role shop login createdb password 'secret'");
  await cluster.sql('create database shop owner shop');
  await cluster.sql(
    'create table customers as select generate_series(1, 7) as id; alter table customers owner to shop',
    'shop',
  );
}

/** Ends the service that the page has started, if it has. */
async function stopService(folder: string): Promise<void> {
  const path = join(folder, 'etc/systemd/system/pid');
  if (!existsSync(path)) return;
  const pid = Number(readFileSync(path, 'utf8'));
  for (const signal of ['SIGTERM', ...Array<0>(100).fill(0)] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return; // it has ended
    }
    await sleep(100);
  }
  process.kill(pid, 'SIGKILL');
}

async function runPage(cluster: Cluster, folder: string): Promise<string> {
  const ports = [await freePort(), await freePort()];
  const values = valuesFor(cluster, folder, ports);
  for (const [example] of values) assert.ok(page.includes(example), example);
  const path = join(folder, 'page.sh');
  writeFileSync(
    path,
    values.reduce((all, [example, real]) => all.replaceAll(example, real), script()),
  );
  const child = spawn('sh', ['-eux', path], {
    cwd: folder,
    env: {
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
      HOME: folder,
      TZ: 'UTC',
      LC_ALL: 'C',
      LIFEBOAT_CONFIG: join(folder, 'etc/lifeboat/lifeboat.yaml'),
      LIFEBOAT_RUN_DIR: join(folder, 'run'),
      PGHOST: cluster.folder,
      PGPORT: String(cluster.port),
      PGUSER: superuser,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

describe('docs/postgres.md', { skip: missingServer('debian') }, () => {
  test('leads from nothing to a proven recovery, command by command as it is written', async () => {
    await using clearing = new AsyncDisposableStack();
    const cluster = await createCluster({ initdb: ['--data-checksums'] });
    clearing.defer(() => cluster.destroy());
    const folder = join(cluster.folder, 'machine');
    mkdirSync(folder);
    clearing.defer(() => stopService(folder));
    await setTheStage(cluster, folder);

    const output = await runPage(cluster, folder);

    for (const expected of [
      /Next: lifeboat wal receive --source app-db/,
      /recoverable from here on: /,
      /^app-db in local\n {2}timeline 1\n {4}from \S+ \S+ to /m,
      /^all was well at \d{4}-/m,
      /^ count \n-+\n {2}1000\n/m,
      /public\.orders as of the time .* into the database app/,
      /were right already/,
      /^ +min +\n-+\n item 1\n/m,
      /^ {2}timeline 2 \(left timeline 1 at /m,
      /pg_amcheck looked at \d databases: all is well/,
      /^the drill has passed$/m,
      /^shop_copy: 1 table, /m,
    ])
      assert.match(output, expected);
    assert.equal(output.match(/^ count \n-+\n {2}1000\n/gm)?.length, 2);

    assert.equal(await cluster.sql('select count(*) from orders', 'app'), '1000');
    assert.equal(await cluster.sql('select count(*) from customers', 'shop_copy'), '7');
    assert.equal(await cluster.sql("select rolsuper from pg_roles where rolname = 'lifeboat'"), 'f');
    // What was started for a look is gone.
    for (const gone of ['copy', 'drill'])
      assert.equal(existsSync(join(folder, 'var/lib/postgresql', gone)), false);
  });
});
