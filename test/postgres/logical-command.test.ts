import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { LogicalRestorePlan } from '../../src/engine/recover/logical/request.ts';
import { type Ended, linesOf } from '../programs.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { binFolder, missingServer } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

describe('the command line for dumps', { skip: missingServer('debian') }, () => {
  let cluster: Cluster;
  let space: Workspace;
  const succeed = async (...args: string[]): Promise<Ended> => {
    const ended = await space.lifeboat(args);
    assert.equal(ended.status, 0, ended.stdout + ended.stderr);
    return ended;
  };
  const value = (): Promise<string> => cluster.sql('select n from t', 'shop');
  let firstBackup = '';

  before(async () => {
    cluster = await createCluster();
    await cluster.start();
    await cluster.sql('create database shop');
    await cluster.sql('create table t as select 1 as n', 'shop');
    space = await createWorkspace({
      cluster,
      method: 'logical',
      url: cluster.urlOf({ database: 'shop' }),
    });
    await succeed('backup', '--source', sourceName);
    firstBackup = await cluster.sql(`select clock_timestamp() at time zone 'UTC'`);
    await cluster.sql('update t set n = 2', 'shop');
    await succeed('backup', '--source', sourceName);
    await cluster.sql('update t set n = 3', 'shop');
  });
  after(async () => {
    await cluster?.destroy();
    space?.destroy();
  });

  test('prints the plan and changes nothing with --dry-run', async () => {
    const { stdout } = await succeed('restore', sourceName, '--dry-run');
    assert.match(stdout, /replaces the database shop/);
    assert.match(stdout, /safety backup of shop/);
    const printed = await succeed('restore', sourceName, '--dry-run', '--json');
    const plan = JSON.parse(linesOf(printed.stdout)[0]!) as LogicalRestorePlan;
    assert.equal(plan.kind, 'postgres-logical-restore');
    assert.equal(plan.databases[0]!.way, 'swap');
    assert.equal(await value(), '3');
  });

  test('overwrites nothing without a terminal or --yes', async () => {
    const { status, stderr } = await space.lifeboat(['restore', sourceName]);
    assert.equal(status, 1);
    assert.match(stderr, /there is no terminal to ask on/);
    assert.match(stderr, /--yes/);
    assert.equal(await value(), '3');
  });

  test('restores to a time, between the hooks, and back from the safety backup', async () => {
    const log = join(space.folder, 'hooks');
    space.configure({
      hooks: {
        'before-restore': [{ command: `echo before $LIFEBOAT_DATABASE >> ${log}` }],
        'after-restore': [{ command: `echo after $LIFEBOAT_STATUS >> ${log}` }],
      },
    });
    const { stdout } = await succeed('restore', sourceName, '--to', `${firstBackup}Z`, '--yes');
    assert.equal(await value(), '1');
    assert.equal(readFileSync(log, 'utf8'), 'before shop\nafter done\n');
    const safety = /--snapshot ([0-9a-f]{8})/.exec(stdout)?.[1];
    assert.ok(safety, stdout);
    await succeed('restore', sourceName, '--yes', '--no-safety-backup');
    assert.equal(await value(), '2');
    await succeed('restore', sourceName, '--snapshot', safety, '--yes', '--no-safety-backup');
    assert.equal(await value(), '3');
    space.configure({});
  });

  test('does not begin where a hook fails, and runs those after it', async () => {
    const log = join(space.folder, 'failed');
    space.configure({
      hooks: {
        'before-restore': [{ command: 'echo cannot stop; exit 3' }],
        'after-restore': [{ command: `echo $LIFEBOAT_STATUS > ${log}` }],
      },
    });
    const { status, stderr } = await space.lifeboat(['restore', sourceName, '--yes']);
    assert.equal(status, 1);
    assert.match(stderr, /before a restore \(command echo\) failed: .*exit status 3: cannot stop/);
    assert.ok(existsSync(log));
    assert.equal(readFileSync(log, 'utf8'), 'failed\n');
    assert.equal(await value(), '3');
    space.configure({});
  });

  test('goes on after a kill in the middle of the safety backup, whose pg_dump ends with it', async () => {
    const bin = join(space.folder, 'bin');
    const pid = join(space.folder, 'dumping');
    mkdirSync(bin);
    for (const tool of ['pg_restore', 'pg_dumpall'])
      symlinkSync(join(binFolder('debian')!, tool), join(bin, tool));
    writeFileSync(
      join(bin, 'pg_dump'),
      `#!/bin/sh
case "$PGDATABASE $1" in
  *_lifeboat_old_*--version) ;;
  *_lifeboat_old_*) echo $$ > ${pid}.part; mv ${pid}.part ${pid}; exec sleep 60 ;;
esac
exec ${join(binFolder('debian')!, 'pg_dump')} "$@"
`,
      { mode: 0o755 },
    );
    space.configure({ 'bin-directory': bin });
    const args = ['restore', sourceName, '--to', `${firstBackup}Z`, '--yes'];
    const killed = space.start(args);
    while (!existsSync(pid)) {
      assert.equal(killed.exitCode, null, 'it did not come to the safety backup');
      await setTimeout(20);
    }
    const dump = Number(readFileSync(pid, 'utf8'));
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    // Everybody is let in, to what was restored; what was replaced is there beside it.
    assert.equal(await value(), '1');
    for (let looks = 0; existsSync(`/proc/${dump}`); looks++) {
      assert.ok(looks < 250, 'pg_dump outlives the restore');
      await setTimeout(20);
    }
    space.configure({});
    const { stdout } = await succeed(...args);
    assert.match(stdout, /backs up and drops shop_lifeboat_old_\w+: shop as it was before/);
    const [old] = [...stdout.matchAll(/--snapshot ([0-9a-f]{8})/g)].map(([, id]) => id!);
    assert.equal(await cluster.sql(`select count(*) from pg_database where datname like '%lifeboat%'`), '0');
    await succeed('restore', sourceName, '--snapshot', old!, '--yes', '--no-safety-backup');
    assert.equal(await value(), '3');
  });

  test('restores under another name without a question, and a table of it', async () => {
    await succeed('restore', sourceName, '--as', 'copy');
    assert.equal(await cluster.sql('select n from t', 'copy'), '2');
    await cluster.sql('create index on t (n); update t set n = 9', 'copy');
    const args = ['restore', sourceName, '--as', 'copy', '--table', 'public.t'];
    assert.match((await space.lifeboat(args)).stderr, /copy has public\.t already/);
    await succeed(...args, '--drop', '--yes');
    assert.equal(await cluster.sql('select n from t', 'copy'), '2');
  });

  test('restores to another server by a reference', async (t) => {
    const other = await createCluster();
    t.after(() => other.destroy());
    await other.start();
    const { status, stdout, stderr } = await space.lifeboat(['restore', sourceName, '--url', 'env:OTHER'], {
      OTHER: other.url,
    });
    assert.equal(status, 0, stdout + stderr);
    assert.equal(await other.sql('select n from t', 'shop'), '2');
    assert.equal(await value(), '3');
  });
});
