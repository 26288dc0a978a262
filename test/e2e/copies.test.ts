import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { type CopiesSandbox, copiesSandbox } from './copies-sandbox.ts';

const protect = '{ sources: [uploads, app-db], to: local, copies: [offsite, usb] }';
const repositories = {
  local: 'path: local',
  offsite: 'path: offsite, site: elsewhere',
  usb: 'path: mnt/usb, removable: true, site: safe',
};

let box: CopiesSandbox;
before(async () => {
  box = copiesSandbox('local');
  box.configure(repositories, protect);
  const local = await box.create('local');
  await box.create('offsite');
  await box.create('mnt/usb');
  await box.storeLog(local, 0, 5000);
  await box.ok('backup', '--source', 'uploads');
});
after(() => box.remove());

const snapshotsIn = async (name: string): Promise<number> =>
  (await listSnapshots(await box.open(name))).snapshots.length;
const piecesIn = async (name: string): Promise<number> =>
  (await (await box.open(name)).storage.list('lifeboat/journal/')).length;

describe('copies of the configuration', () => {
  test('are shown before they are made, with nothing written', async () => {
    const shown = await box.ok('copy', '--dry-run');
    assert.match(shown, /would copy 1 snapshot to offsite; 0 there already/);
    assert.match(shown, /would copy 1 piece of log of app-db, 4.883 KiB, to usb/);
    assert.equal((await snapshotsIn('offsite')) + (await piecesIn('mnt/usb')), 0);
  });

  test('are made of snapshots and log, for all targets at once, and proven', async () => {
    const shown = await box.ok('copy');
    assert.match(shown, /^local to offsite, usb$/m);
    assert.match(shown, /^offsite: 1 snapshot copied; 2 packs, .*; 1 piece of log, 4.883 KiB$/m);
    assert.match(shown, /it holds all 5 objects as sent; 4 of them .* were read back/);
    for (const name of ['offsite', 'mnt/usb']) {
      assert.equal(await snapshotsIn(name), 1);
      assert.equal(await piecesIn(name), 1);
    }
    await box.ok('-r', 'offsite', 'check', '--read-data');
  });

  test('are not made a second time', async () => {
    const lines = (await box.ok('copy', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const summaries = lines.filter((line) => line.message_type === 'target_summary');
    assert.deepEqual(
      summaries.map((line) => [
        line.repository,
        line.copied_snapshots,
        line.skipped_snapshots,
        line.journal_pieces,
      ]),
      [
        ['offsite', 0, 1, 0],
        ['usb', 0, 1, 0],
      ],
    );
  });

  test('can be brought back by name, and limited to a source', async () => {
    await box.create('again');
    box.configure({ ...repositories, again: 'path: again' }, protect);
    await box.ok('copy', '--from', 'offsite', '--to', 'again', '--source', 'app-db');
    assert.deepEqual([await snapshotsIn('again'), await piecesIn('again')], [0, 1]);
    await box.ok('copy', '--from', 'offsite', '--to', 'again', '--verify', 'read');
    assert.deepEqual([await snapshotsIn('again'), await piecesIn('again')], [1, 1]);
  });
});

describe('a removable repository', () => {
  before(() => {
    renameSync(box.path('mnt/usb'), box.path('unplugged'));
    mkdirSync(box.path('mnt/usb'));
  });

  test('that is not mounted is an error that says when it was last seen, and no advice to create one', async () => {
    const { status, stderr } = await box.run('-r', 'usb', 'snapshots');
    assert.equal(status, 10);
    assert.match(stderr, /not mounted; it was last seen at .* UTC, its newest snapshot of /);
    assert.doesNotMatch(stderr, /init/);
  });

  test('fails a copy that names it, while the others get theirs; with --when-mounted it is left out', async () => {
    writeFileSync(box.path('files/b'), 'second');
    await box.ok('backup', '--source', 'uploads');
    const { status, stderr } = await box.run('copy');
    assert.equal(status, 3, stderr);
    assert.match(stderr, /usb.*not mounted/);
    assert.equal(await snapshotsIn('offsite'), 2);
    assert.match(await box.ok('copy', '--when-mounted'), /^usb is left out: .*not mounted/m);
  });

  test('is never made anew in the folder where it would be mounted', () => {
    assert.deepEqual(readdirSync(box.path('mnt/usb')), []);
  });

  test('is waited for, and filled when it is there', async () => {
    setTimeout(() => {
      renameSync(box.path('unplugged'), box.path('mnt/usb'));
    }, 300);
    const shown = await box.ok('copy', '--when-mounted', '--wait', '20s');
    assert.match(shown, /waiting for usb/);
    assert.equal(await snapshotsIn('mnt/usb'), 2);
  });

  test('takes nothing once it is gone while it is written to', async () => {
    const { withPresence } = await import('../../src/storage/layers/present.ts');
    const { storage } = await box.open('mnt/usb');
    renameSync(box.path('mnt/usb'), box.path('unplugged'));
    await assert.rejects(withPresence(storage).save('data/aa/x', [Buffer.from('x')]), {
      code: 'repository-absent',
    });
    assert.equal(existsSync(box.path('mnt/usb')), false);
    renameSync(box.path('unplugged'), box.path('mnt/usb'));
  });
});

describe('copy', () => {
  test('refuses names that do not exist, contradictions, and a configuration without copies', async () => {
    const refused = async (pattern: RegExp, ...args: string[]): Promise<void> => {
      const { status, stderr } = await box.run('copy', ...args);
      assert.equal(status, 1, stderr);
      assert.match(stderr, pattern);
    };
    await refused(/no repository is named "ofsite".*did you mean offsite/, '--to', 'ofsite');
    await refused(/no source is named/, '--source', 'nothing');
    await refused(/--from-repo and --to exclude each other/, '--from-repo', 'local', '--to', 'usb');
    await refused(/--wait is for --when-mounted/, '--wait', '5s');
    await refused(/not copied to itself/, '--from', 'usb', '--to', 'usb');
    await refused(/no repository to copy from was given/, '-r', 'usb');
    box.configure(repositories, '{ sources: [uploads, app-db], to: local }');
    await refused(/no entry of protect in .* has `copies`/);
  });
});
