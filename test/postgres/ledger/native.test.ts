import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseLsn } from '../../../src/model/wal.ts';
import { randomOf } from '../../random.ts';
import { createCluster } from '../cluster.ts';
import { missingServer } from '../programs.ts';
import { startClients } from './clients.ts';
import { checkPages, checkRelations, readState } from './database.ts';
import { schemaSql } from './entry.ts';
import { transactionEnds } from './history.ts';
import {
  attemptsOf,
  commitsUpTo,
  disagreements,
  endsOnPath,
  type Path,
  problemsOf,
  stateAfter,
} from './oracle.ts';
import { createWorld } from './world.ts';

const settings = { track_commit_timestamp: 'on', wal_keep_size: '4GB', max_wal_size: '64MB' };

describe('the ledger, recovered by PostgreSQL alone', { skip: missingServer('debian') }, () => {
  test('is what the oracle expects, and the oracle notices a row more or less in it', async (t) => {
    const cluster = await createCluster({ initdb: ['--data-checksums', '--wal-segsize=1'], settings });
    t.after(() => cluster.destroy());
    await cluster.start();
    await cluster.sql(schemaSql);
    const start = parseLsn(await cluster.sql('select pg_current_wal_insert_lsn()'))!;
    const clients = startClients({
      count: 4,
      url: () => cluster.url,
      file: join(cluster.folder, 'ledger.jsonl'),
      pauseMsMax: 2,
      payloadBytesMax: 2000,
      name: 'native',
    });
    await clients.progress(100);
    const restored = join(cluster.folder, 'restored');
    await cluster.run('pg_basebackup', ['-D', restored, '-X', 'none', '-c', 'fast', '--no-manifest']);
    await clients.progress(100);
    await cluster.stop('immediate');
    await cluster.start();
    await clients.progress(200);
    await clients.stop();
    await cluster.stop();

    const wal = join(cluster.data, 'pg_wal');
    const ends = await transactionEnds(cluster.bin, { folder: wal, timeline: 1, start });
    const attempts = clients.attempts();
    assert.deepEqual(disagreements(ends, attempts), []);
    assert.ok(ends.some(({ kind }) => kind === 'abort'));

    const { timeUs } = ends[ends.length - 1 - randomOf('native').below(100)]!;
    const at = new Date(Number(timeUs / 1000n)).toISOString().slice(0, 19).replace('T', ' ');
    const target = `${at}.${String(timeUs % 1_000_000n).padStart(6, '0')}+00`;
    const recovered = await createCluster({
      data: restored,
      settings: {
        restore_command: `'cp ${wal}/%f %p'`,
        recovery_target_time: `'${target}'`,
        recovery_target_action: 'promote',
      },
    });
    t.after(() => recovered.destroy());
    writeFileSync(join(restored, 'recovery.signal'), '');
    await recovered.start();
    while ((await recovered.sql('select pg_is_in_recovery()')) === 't') await sleep(50);

    const path: Path = { timeline: 1, ancestors: [] };
    const commits = commitsUpTo(ends, path, { kind: 'time', timeUs, inclusive: true });
    const expected = stateAfter(attemptsOf(commits, attempts));
    assert.ok(expected.chain.length > 0 && expected.chain.length < attempts.length);
    assert.deepEqual(problemsOf(expected, await readState(recovered.url)), []);
    await checkRelations(recovered.url);

    await recovered.sql(
      'delete from chain where (client, n) = (select 2, max(n) from chain where client = 2)',
    );
    assert.match(problemsOf(expected, await readState(recovered.url)).join('\n'), /client 2 .* is missing/);
    await recovered.stop();
    await checkPages(recovered.bin, restored);
  });

  test('is what the oracle expects of a standby that took over, without what was lost with the primary', async () => {
    await using clearing = new AsyncDisposableStack();
    const world = await createWorld(1);
    clearing.defer(() => world.destroy());
    const clients = startClients({
      count: 4,
      url: () => world.primary().url,
      file: join(world.primary().folder, 'ledger.jsonl'),
      pauseMsMax: 5,
      payloadBytesMax: 2000,
      name: 'native failover',
    });
    clearing.defer(() => clients.stop());
    await clients.progress(50);
    await world.crash();
    await clients.progress(20);
    await world.cutStandbyOff();
    await clients.progress(20);
    await world.failOver();
    await clients.progress(50);
    await clients.stop();

    const ends = await world.ends();
    const attempts = clients.attempts();
    assert.deepEqual(disagreements(ends, attempts), []);
    const kept = attemptsOf(commitsUpTo(ends, world.path(), { kind: 'latest' }), attempts);
    assert.deepEqual(problemsOf(stateAfter(kept), await readState(world.primary().url)), []);
    const lost = attempts.filter((attempt) => attempt.acknowledged && !kept.includes(attempt));
    assert.ok(lost.length >= 20, `${lost.length} lost`);
    const afterFork = kept.find(({ timeline }) => timeline === 2)?.acknowledged?.behind;
    assert.ok(afterFork);
    const record = await world.recordFrom(afterFork);
    assert.ok(record !== null && record >= afterFork);
    const onPath = endsOnPath(ends, world.path());
    for (const { start } of randomOf('records').sample(onPath, 20)) {
      assert.equal(await world.recordFrom(start), start);
      assert.equal(await world.recordFrom(start - 1n), start);
    }
  });
});
