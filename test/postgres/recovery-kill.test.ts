import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lifeboat } from '../programs.ts';
import { createCluster, runAsServer, serverFolder } from './cluster.ts';
import { missingServer } from './programs.ts';
import { createRecoverySite } from './recovery-site.ts';
import { createWorkspace, sourceName } from './workspace.ts';

describe('a recovery', () => {
  test('that is killed at any moment leaves nothing that starts, and run again it succeeds', {
    skip: missingServer('debian'),
  }, async (t) => {
    const cluster = await createCluster();
    t.after(() => cluster.destroy());
    await cluster.start();
    const workspace = await createWorkspace({ cluster });
    t.after(() => workspace.destroy());
    await cluster.sql('create table t as select generate_series(1, 1000) as n');
    const made = await workspace.lifeboat(['backup', '--source', sourceName]);
    assert.equal(made.status, 0, made.stderr);
    await cluster.stop();
    const folder = serverFolder();
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const target = join(folder, 'data');
    const args = ['restore', sourceName, '--target', target, '--no-start', '--yes'];
    for (const afterMs of [30, 60, 120]) {
      const child = spawn(lifeboat().path, args, {
        env: { ...process.env, LIFEBOAT_CONFIG: workspace.configPath, DATABASE_URL: cluster.url },
        stdio: 'ignore',
      });
      const exited = once(child, 'exit');
      while (!existsSync(join(target, 'PG_VERSION')) && child.exitCode === null) await sleep(2);
      await sleep(afterMs);
      child.kill('SIGKILL');
      await exited;
      // Whatever could start is whole: its control file comes last.
      const whole = existsSync(join(target, 'global/pg_control'));
      assert.ok(whole || existsSync(join(target, 'lifeboat-restore.json')));
    }
    const again = await workspace.lifeboat(args);
    assert.equal(again.status, 0, again.stderr);
    const restored = await createCluster({ data: target });
    t.after(() => restored.destroy());
    await restored.start();
    while ((await restored.sql('select pg_is_in_recovery()')) === 't') await sleep(20);
    assert.equal(await restored.sql('select count(*) from t'), '1000');
  });

  test('of the newest server brings back what was there', { skip: missingServer('newest') }, async (t) => {
    const site = await createRecoverySite({ server: 'newest' });
    t.after(() => site.destroy());
    const { cluster } = site;
    await cluster.sql('create table t (n int); insert into t values (1)');
    await site.backup();
    await cluster.sql('insert into t values (2)');
    const time = await cluster.sql('select clock_timestamp()');
    await sleep(20);
    await cluster.sql('insert into t values (3)');
    await site.ship();
    await cluster.stop();
    const target = join(site.folder, 'restored');
    const report = await site.recover(time, { dataDirectory: target });
    assert.match(report.reached?.stopped ?? '', /^stopping before commit/);
    await runAsServer(join(cluster.bin, 'pg_ctl'), ['-D', target, '-m', 'fast', 'stop']);
    const restored = await createCluster({ server: 'newest', data: target });
    t.after(() => restored.destroy());
    await restored.start();
    assert.equal(await restored.sql('select count(*) from t'), '2');
  });
});
