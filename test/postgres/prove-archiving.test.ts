import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createArchivingProof } from '../../src/engine/journal/prove-archiving.ts';
import type { JournalConfiguration } from '../../src/model/configuration.ts';
import { readServerFacts } from '../../src/sources/postgres/connection/server.ts';
import { openSqlSession } from '../../src/sources/postgres/connection/session.ts';
import { connectionSettings } from '../../src/sources/postgres/connection/settings.ts';
import type { Cluster } from './cluster.ts';
import {
  createJournaledCluster,
  createJournalSite,
  eventually,
  type JournalSite,
  journalConfiguration,
  serverEnd,
  startReceiver,
} from './journal-site.ts';
import { missingServer } from './programs.ts';
import { sourceName } from './workspace.ts';

interface Attempt {
  readonly session: Awaited<ReturnType<typeof openSqlSession>>;
  prove(journal: Partial<JournalConfiguration>): Promise<void>;
  complete(end: bigint): Promise<void>;
}

async function attempt(cluster: Cluster, site: JournalSite): Promise<Attempt> {
  const session = await openSqlSession(await connectionSettings(cluster.url, { password: null, env: {} }));
  const facts = await readServerFacts(session);
  const proofOf = (journal: Partial<JournalConfiguration>) =>
    createArchivingProof({
      source: sourceName,
      places: site.places,
      journal: { ...journalConfiguration, proofTimeoutMs: 300, ...journal },
      signal: new AbortController().signal,
    });
  return {
    session,
    prove: (journal) => proofOf(journal).prove(session, facts),
    complete: (end) => proofOf({ proofTimeoutMs: 10_000 }).complete(session, facts, 1, end),
  };
}

describe('archiving', { skip: missingServer('debian') }, () => {
  test('is proven by a segment that arrives, and its failure has a reason', async (t) => {
    const cluster = await createJournaledCluster();
    t.after(() => cluster.destroy());
    const site = await createJournalSite(2);
    t.after(() => site.close());
    await cluster.start();
    const { session, prove, complete } = await attempt(cluster, site);
    t.after(() => session.close());
    const failsWith = (journal: Partial<JournalConfiguration>, message: RegExp): Promise<void> =>
      assert.rejects(prove(journal), { code: 'wal-not-archived', message });
    await failsWith({}, /did not arrive in r0, r1 within 0\.\d s: the server has no replication slot/);
    await failsWith({ way: 'push' }, /archive_mode is off/);

    const receiver = await startReceiver(cluster.url, site.places);
    await eventually('it is connected', () => receiver.events.some(({ kind }) => kind === 'connected'));
    await prove({ proofTimeoutMs: 10_000 });
    await cluster.sql('create table t (n int)');
    await complete(await serverEnd(cluster));
    await receiver.stop();
    await failsWith({}, /no receiver is connected to the replication slot lifeboat_test/);
  });

  test('by archive_command says what the archiver met', async (t) => {
    const cluster = await createJournaledCluster({ archive_mode: 'on', archive_command: `'/bin/false'` });
    t.after(() => cluster.destroy());
    const site = await createJournalSite();
    t.after(() => site.close());
    await cluster.start();
    const { session, prove } = await attempt(cluster, site);
    t.after(() => session.close());
    await assert.rejects(prove({ way: 'push', proofTimeoutMs: 2000 }), {
      code: 'wal-not-archived',
      message: /archive_command failed \d+ times, last for 0000/,
    });
  });
});
