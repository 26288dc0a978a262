import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatLsn } from '../../src/model/wal.ts';
import {
  compareWithServer,
  coverage,
  createJournaledCluster,
  createJournalSite,
  eventually,
  serverEnd,
  startReceiver,
  untilStored,
  writeLog,
} from './journal-site.ts';
import { missingServer } from './programs.ts';

describe('the receiver', { skip: missingServer('debian') }, () => {
  test('stores in every repository what the server writes, and reports only that as flushed', async (t) => {
    const cluster = await createJournaledCluster({ wal_keep_size: '1GB' });
    t.after(() => cluster.destroy());
    const site = await createJournalSite(2);
    t.after(() => site.close());
    await cluster.start();
    const receiver = await startReceiver(cluster.url, site.places);
    await eventually('it is connected', () => receiver.events.some(({ kind }) => kind === 'connected'));
    await writeLog(cluster, 5);
    const end = await serverEnd(cluster);
    for (const place of site.places) await untilStored(place, end);
    const [range, ...more] = await coverage(site.places[0]!);
    assert.equal(more.length, 0);
    for (const place of site.places) assert.ok((await compareWithServer(place, cluster, range!)) >= 5);
    await eventually('the slot follows', async () => {
      const restart = await cluster.sql('select restart_lsn from pg_replication_slots');
      return restart >= formatLsn(end);
    });
    assert.equal(receiver.status().durable, formatLsn((await coverage(site.places[0]!))[0]!.end));
    await receiver.stop();
  });
});
