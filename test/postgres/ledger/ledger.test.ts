import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf, seed } from '../../random.ts';
import { createCluster, serverFolder } from '../cluster.ts';
import { missingServer } from '../programs.ts';
import { startClients } from './clients.ts';
import { checkPages, checkRelations, readState } from './database.ts';
import { attemptsOf, commitsUpTo, disagreements, problemsOf, type State, stateAfter } from './oracle.ts';
import { createSite, holdsCluster, type Site, sourceName } from './program.ts';
import { everythingShipped, type Happening, happen, type Stage, startReceiver } from './scenario.ts';
import { drawTargets, type Target } from './targets.ts';
import { createWorld } from './world.ts';

const soak = process.env.LIFEBOAT_SOAK === '1';

interface Extent {
  readonly clients: number;
  readonly segmentMegabytes: number;
  readonly pauseMsMax: number;
  readonly schedule: readonly Happening[];
  readonly targets: number;
}

/** Everything once: enough for a seed to tell, in less than a minute. */
const sample = (): Extent => ({
  clients: 8,
  segmentMegabytes: 1,
  pauseMsMax: 40,
  schedule: [
    'backup',
    'receiver killed',
    'backup',
    'server crashed',
    'compaction',
    ...randomOf('ledger order').sample<Happening>(['failover', 'lossy failover'], 1),
    'receiver killed',
    'forget and prune',
  ],
  targets: 5,
});

function whole(round: number): Extent {
  const random = randomOf(`ledger round ${round}`);
  const rest: Happening[] = [
    ...['backup', 'receiver killed', 'server crashed', 'failover', 'lossy failover', 'compaction'],
    ...['receiver killed', 'server crashed', 'backup', 'compaction', 'forget and prune', 'backup'],
    ...['receiver killed', 'lossy failover', 'receiver killed', 'compaction', 'forget and prune'],
  ] as Happening[];
  const shuffled: Happening[] = [];
  while (rest.length > 0) shuffled.push(...rest.splice(random.below(rest.length), 1));
  return {
    clients: 8,
    segmentMegabytes: random.below(2) === 0 ? 1 : 16,
    pauseMsMax: 20,
    schedule: ['backup', ...shuffled],
    targets: 15,
  };
}

/** Recovers to a point and reads what is there. */
async function recover(site: Site, target: Target, name: string): Promise<State> {
  const folder = join(site.folder, name);
  const args = ['restore', sourceName, ...target.args, '--target', folder, '--no-start', '--yes'];
  await site.must(...args);
  const recovered = await createCluster({ data: folder });
  try {
    await recovered.start();
    const giveUp = Date.now() + 60_000;
    // It ends its recovery by itself, or waits to be told.
    const state = `select case when not pg_is_in_recovery() then 'done' else pg_get_wal_replay_pause_state() end`;
    for (let now = ''; now !== 'done' && now !== 'paused'; now = await recovered.sql(state)) {
      assert.ok(Date.now() < giveUp, `recovery does not end\n${recovered.log()}`);
      await sleep(50);
    }
    if ((await recovered.sql('select pg_is_in_recovery()')) === 't')
      await recovered.sql('select pg_promote()');
    const found = await readState(recovered.url);
    await checkRelations(recovered.url);
    await recovered.stop();
    await checkPages(recovered.bin, folder);
    return found;
  } catch (error) {
    throw new Error(`${args.join(' ')}\n${recovered.log().split('\n').slice(-30).join('\n')}`, {
      cause: error,
    });
  } finally {
    await recovered.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function holdsThrough(extent: Extent, name: string): Promise<void> {
  const random = randomOf(name);
  await using clearing = new AsyncDisposableStack();
  const world = await createWorld(extent.segmentMegabytes);
  clearing.defer(() => world.destroy());
  const folder = serverFolder();
  clearing.defer(() => rmSync(folder, { recursive: true, force: true }));
  const site = createSite(join(folder, 'site'));
  site.point(world.primary().url);
  await site.must('init', '-r', 'main');
  const clients = startClients({
    count: extent.clients,
    url: () => world.primary().url,
    file: join(folder, 'ledger.jsonl'),
    pauseMsMax: extent.pauseMsMax,
    payloadBytesMax: 2000,
    name,
  });
  clearing.defer(() => clients.stop());
  const stage: Stage = {
    ...{ world, site, clients, random },
    receiver: startReceiver(site),
    backups: [],
    diary: [],
  };
  clearing.defer(async () => {
    await stage.receiver.kill('SIGKILL');
  });
  try {
    await clients.progress(extent.clients);
    for (const what of extent.schedule) await happen(stage, what);
    await clients.progress(100);
    await clients.stop();
    await everythingShipped(stage);
    assert.equal(await stage.receiver.kill('SIGTERM'), 0, stage.receiver.output());

    const ends = await world.ends();
    const attempts = clients.attempts();
    assert.deepEqual(disagreements(ends, attempts), []);
    const path = world.path();
    const everything = stateAfter(attemptsOf(commitsUpTo(ends, path, { kind: 'latest' }), attempts));
    assert.deepEqual(problemsOf(everything, await readState(world.primary().url)), []);

    const oldest = stage.backups[0]!;
    const space = { ends, path, from: oldest.lsn, fromUs: oldest.us, recordFrom: world.recordFrom };
    const latest: Target = { point: { kind: 'latest' }, args: ['--to', 'latest'] };
    const targets = [...(await drawTargets(space, extent.targets - 1, random)), latest];
    for (const [at, target] of targets.entries()) {
      stage.diary.push(`restore ${target.args.join(' ')}`);
      const commits = commitsUpTo(ends, path, target.point);
      const found = await recover(site, target, `recovered-${at}`);
      assert.deepEqual(problemsOf(stateAfter(attemptsOf(commits, attempts)), found), []);
    }
    const early = 'lsn:0/100000'; // initdb itself writes more
    const refused = join(folder, 'refused');
    const { status, output } = await site.run(
      ...['restore', sourceName, '--to', early, '--target', refused, '--no-start', '--yes'],
    );
    assert.notEqual(status, 0, output);
    assert.ok(!holdsCluster(refused), output);
  } catch (error) {
    throw new Error(`LIFEBOAT_SEED=${seed} ${name}\n${stage.diary.join('\n')}`, { cause: error });
  }
}

describe('the ledger, recovered by Lifeboat', { skip: missingServer('debian') }, () => {
  test('holds exactly the transactions before each point, whatever happened while it was written', async () => {
    await holdsThrough(sample(), 'ledger');
  });

  for (const round of [1, 2, 3])
    test(`holds in round ${round} of many happenings`, { skip: !soak && 'soak only' }, async () => {
      await holdsThrough(whole(round), `ledger round ${round}`);
    });
});
