import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
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

describe('a database whose first repository is lost', () => {
  test('is looked for in its copies, of which one will do', async () => {
    renameSync(box.path('local'), box.path('burnt'));
    const { status, stdout, stderr } = await box.run('windows', 'app-db');
    renameSync(box.path('burnt'), box.path('local'));
    assert.equal(status, 0, stderr);
    assert.match(stderr, /local is left out/);
    assert.match(stdout, /^app-db in offsite$/m);
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
    globalThis.setTimeout(() => {
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

describe('lifeboat status --copies', () => {
  const statusOf = async (source: string): Promise<Record<string, unknown>> =>
    JSON.parse((await box.run('--json', 'status', '--copies', source)).stdout);

  before(async () => {
    box.configure(repositories, protect);
    await box.ok('copy');
  });

  test('says what is missing, source by source, and ends with 3', async () => {
    const { status, stdout } = await box.run('status', '--copies', 'uploads');
    assert.equal(status, 3);
    assert.match(stdout, /^uploads {3}3-2-1 ✓ {3}3-2-1-1-0 ✗$/m);
    assert.match(stdout, /^ {2}usb +removable +safe +2 +\d+ \w+ ago +there +never$/m);
    assert.match(stdout, /✗ 1 {2}usb is mounted.*\n +next: unmount usb and take it away/);
    assert.match(
      stdout,
      /✗ 0 {2}never verified: (?:local, )?(?:offsite, )?usb\n +next: lifeboat -r \w+ check/,
    );
    assert.equal((await box.run('status', '--rule', '3-2-1', 'uploads')).status, 0);
  });

  test('takes results of checks into account, and media that were taken away as they were last seen', async () => {
    for (const name of ['local', 'offsite', 'usb']) await box.ok('-r', name, 'check', '--read-data');
    renameSync(box.path('mnt/usb'), box.path('unplugged'));
    const { status, stdout } = await box.run('status', '--copies', 'uploads');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^ {2}usb .* not mounted, seen \d+ \w+ ago +no errors \(all data\), \d+ \w+ ago$/m);
    assert.match(stdout, /✓ 1 {2}offline: usb/);
    const json = await statusOf('uploads');
    assert.deepEqual([json.copies, json.kinds, json.holds_3_2_1_1_0], [4, ['path', 'removable'], true]);
    renameSync(box.path('unplugged'), box.path('mnt/usb'));
  });

  test('tells how far the log reaches, and counts no copy where there is no backup to begin with', async () => {
    const json = (await statusOf('app-db')) as unknown as {
      copies: number;
      repositories: { journal_until: string | null }[];
    };
    assert.equal(json.copies, 1);
    for (const each of json.repositories) assert.ok(Date.now() - Date.parse(each.journal_until!) < 600_000);
  });

  test('does not count a repository that is gone, says what it was, and ends with 4', async () => {
    renameSync(box.path('offsite'), box.path('lost'));
    const { status, stdout } = await box.run('status', '--copies', 'uploads');
    renameSync(box.path('lost'), box.path('offsite'));
    assert.equal(status, 4);
    assert.match(stdout, /^ {2}offsite .* missing, seen \d+ \w+ ago/m);
    assert.match(stdout, /offsite does not count: there is no repository at/);
  });

  test('shows damage that a check found until a check finds none', async () => {
    const { storage } = await box.open('offsite');
    const [pack] = await storage.list('data/');
    const whole = await storage.load(pack!.key);
    await storage.save(pack!.key, [whole.subarray(1)]);
    assert.equal((await box.run('-r', 'offsite', 'check')).status, 1);
    const { stdout } = await box.run('status', 'uploads');
    assert.match(stdout, /✗ 0 {2}\d+ errors? in offsite when it was last checked/);
    await storage.save(pack!.key, [whole]);
    await box.ok('-r', 'offsite', 'check');
    assert.doesNotMatch((await box.run('status', 'uploads')).stdout, /errors? in offsite/);
  });

  test('forgets nothing but what it knew of absent media when its state is deleted', async () => {
    rmSync(box.path('state'), { recursive: true });
    renameSync(box.path('mnt/usb'), box.path('unplugged'));
    const { stdout } = await box.run('status', 'uploads');
    assert.match(stdout, /^ {2}usb .* not mounted, seen never/m);
    assert.match(stdout, /^uploads {3}3-2-1 ✗/m);
    renameSync(box.path('unplugged'), box.path('mnt/usb'));
  });

  test('is plain where the terminal knows no such characters', async () => {
    box.env.LC_ALL = 'C';
    assert.match((await box.run('status', 'uploads')).stdout, /^uploads {3}3-2-1 ok/m);
    delete box.env.LC_ALL;
  });
});

describe('a copy that is killed', () => {
  test('is gone on with: nothing is lost and nothing is there twice', async () => {
    writeFileSync(box.path('files/large'), randomBytes(24 * 2 ** 20));
    await box.ok('backup', '--source', 'uploads');
    const target = await box.create('late');
    box.configure({ ...repositories, late: 'path: late' }, protect);
    const main = join(import.meta.dirname, '../../src/cli/main.ts');
    const args = ['--config', box.path('lifeboat.yaml'), 'copy', '--from', 'local', '--to', 'late'];
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, '--pack-size', '4', '--limit-upload', '8000', ...args],
      { env: { ...process.env, ...box.env }, stdio: 'ignore' },
    );
    while ((await target.storage.list('data/')).length < 2 && child.exitCode === null) await sleep(20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(child.signalCode, 'SIGKILL');
    assert.ok((await listSnapshots(target)).snapshots.length < 3);

    await box.ok('-r', 'late', 'unlock');
    await box.ok('copy', '--from', 'local', '--to', 'late');
    assert.equal((await listSnapshots(target)).snapshots.length, 3);
    const { table } = await loadIndex(target);
    const id = Buffer.alloc(32);
    const ids = Array.from({ length: table.count() }, (_, entry) => {
      table.copyId(entry, id);
      return `${table.typeOf(entry)} ${id.toString('hex')}`;
    });
    assert.equal(new Set(ids).size, ids.length);
    await box.ok('-r', 'late', 'check', '--read-data');
  });
});
