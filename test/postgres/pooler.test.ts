import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestCancel } from '../../src/sources/postgres/connection/cancel.ts';
import { connect } from '../../src/sources/postgres/connection/connect.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import type { Ended } from '../programs.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { missingPooler, type Pooler, startPooler } from './pooler.ts';
import { missingServer } from './programs.ts';
import { createWorkspace, sourceName, type Workspace } from './workspace.ts';

const modes = ['session', 'transaction', 'statement'] as const;

describe('PgBouncer in front of a server', { skip: missingServer('debian') || missingPooler }, () => {
  let cluster: Cluster;
  const poolers = new Map<string, Pooler>();
  let space: Workspace;

  before(async () => {
    cluster = await createCluster();
    await cluster.start();
    await cluster.sql('create database shop');
    await cluster.sql('create table t as select generate_series(1, 1000) as n', 'shop');
    for (const mode of modes) poolers.set(mode, await startPooler(cluster, mode));
    space = await createWorkspace({ cluster, method: 'logical' });
  });
  after(async () => {
    space?.destroy();
    for (const pooler of poolers.values()) await pooler.destroy();
    await cluster?.destroy();
  });

  const run = (mode: string, ...args: string[]): Promise<Ended> =>
    space.lifeboat(args, { DATABASE_URL: poolers.get(mode)!.urlOf('shop') });
  const refused = ({ status, stderr }: Ended, hint = /use the address of the server itself/): void => {
    assert.equal(status, 1, stderr);
    assert.match(stderr, /pooler/);
    assert.match(stderr, hint);
    assert.match(stderr, /lifeboat help database-pooler/);
  };

  test('with a connection for each session, dumps go through it, and back', async () => {
    const backup = await run('session', 'backup', '--source', sourceName);
    assert.equal(backup.status, 0, backup.stderr);
    await cluster.sql('delete from t', 'shop');
    // It keeps connections to databases for later, which must not keep the new one from its name.
    for (const more of [['--as', 'copy'], ['--jobs', '2'], []]) {
      const restore = await run('session', 'restore', sourceName, '--yes', ...more);
      assert.equal(restore.status, 0, restore.stderr);
    }
    for (const database of ['shop', 'copy'])
      assert.equal(await cluster.sql('select count(*) from t', database), '1000');
  });

  for (const mode of ['transaction', 'statement']) {
    test(`with a connection for each ${mode}, nothing goes through it, and the way around is named`, async () => {
      refused(await run(mode, 'backup', '--source', sourceName));
      refused(await run(mode, 'restore', sourceName, '--yes'));
      space.configure({ method: 'physical', way: 'local', 'data-directory': cluster.data });
      refused(await run(mode, 'backup', '--source', sourceName));
      space.configure({ method: 'logical' });
    });
  }

  test('the log and remote backups, which it does not pass on, say so', async () => {
    space.configure({ method: 'physical', way: 'remote', journal: {} });
    const hint = /connect to the server itself instead of a connection pooler/;
    refused(await run('session', 'wal', 'receive'), hint);
    space.configure({ method: 'physical', way: 'remote' });
    refused(await run('session', 'backup', '--source', sourceName), hint);
    space.configure({ method: 'logical' });
  });

  test('it survives that a statement is cancelled', async () => {
    for (const mode of modes) {
      const settings = await connectionSettings(poolers.get(mode)!.urlOf('shop'), {
        password: null,
        env: {},
      });
      const connected = await connect(settings, {});
      const slow = connected.client.query('select pg_sleep(20)');
      slow.catch(() => undefined);
      await sleep(100);
      await requestCancel(connected);
      await assert.rejects(slow, /canceling statement/);
      await connected.client.end();
      await sleep(50);
      assert.ok(poolers.get(mode)!.isRunning(), mode);
    }
  });
});
