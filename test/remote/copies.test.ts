import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { journalPlaces } from '../../src/engine/journal/journal-places.ts';
import { loadHeartbeat, saveHeartbeat } from '../../src/journal/heartbeat.ts';
import { listPieces } from '../../src/journal/list.ts';
import { loadUnit } from '../../src/journal/load-unit.ts';
import { segmentAt, segmentName } from '../../src/model/wal.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { type CopiesSandbox, copiesSandbox, logBytes, segmentBytes, stream } from '../e2e/copies-sandbox.ts';
import { run, systemRestic } from '../programs.ts';
import { testPassword } from '../repositories/cheap.ts';
import { type Gateway, gatewayMissing, joinGateway } from '../s3/gateway.ts';
import { connectTo, makeBucket } from '../s3/place.ts';
import { hasSshd, startSshd, type TestSshd } from '../storage/sshd.ts';

const skip = gatewayMissing || (!hasSshd && 'needs an SSH server');

describe('copies on a server and in a bucket', { skip }, () => {
  let box: CopiesSandbox;
  let gateway: Gateway;
  let sshd: TestSshd;
  let bucket: string;
  let s3: Storage;
  let nasFolder: string;

  before(async () => {
    [gateway, sshd] = await Promise.all([joinGateway(), startSshd()]);
    box = copiesSandbox('remote');
    bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    s3 = connectTo(gateway, `${bucket}/app`);
    nasFolder = join(sshd.folder, 'repo');
    box.env.AWS_ACCESS_KEY_ID = gateway.accessKey;
    box.env.AWS_SECRET_ACCESS_KEY = gateway.secretKey;
    box.configure(
      {
        local: 'path: local',
        nas: `sftp: { host: 127.0.0.1, port: ${sshd.port}, user: ${sshd.user}, path: ${nasFolder}, key: ${sshd.key}, known-hosts: ${sshd.knownHosts} }, site: cellar`,
        offsite: `s3: { bucket: ${bucket}, prefix: app, endpoint: "${gateway.endpoint}" }, site: elsewhere, immutability: { mode: governance, for: 1d }`,
      },
      '{ sources: [uploads, app-db], to: local, copies: [nas, offsite] }',
    );
    const local = await box.create('local');
    await box.create(localStorage(nasFolder));
    await box.create(s3);
    await box.storeLog(local, 0, 700_000);
    await box.storeLog(local, 700_000, 900_000);
    const { places, close } = journalPlaces([{ name: 'local', repository: local }], { threads: 0 });
    await saveHeartbeat(places[0]!, stream, { timeline: 1, lsn: 900_000n, sentMs: Date.now() });
    await close();
    await box.ok('backup', '--source', 'uploads');
  });
  after(async () => {
    box?.remove();
    await sshd?.destroy();
    gateway?.release();
  });

  test('are made with one command, and the log in each is the same', async () => {
    const shown = await box.ok('copy');
    assert.match(shown, /^local to nas, offsite$/m);
    for (const storage of [localStorage(nasFolder), s3]) {
      const repository = await box.open(storage);
      assert.equal((await listSnapshots(repository)).snapshots.length, 1);
      const { places, close } = journalPlaces([{ name: 'copy', repository }], { threads: 0 });
      const [place] = places;
      assert.equal((await listPieces(place!, stream)).length, 2);
      const unit = segmentName(segmentAt(1, 0n, segmentBytes), segmentBytes);
      const { bytes, end } = await loadUnit(place!, stream, unit, segmentBytes, null);
      assert.equal(end, 900_000);
      assert.ok(bytes.subarray(0, end).equals(logBytes(0, 900_000)));
      assert.equal((await loadHeartbeat(place!, stream))?.lsn, 900_000n);
      await close();
    }
  });

  test('send a little more only where there is a little more', async () => {
    const keys = async (): Promise<number> =>
      (await Promise.all(['lifeboat/', 'data/', 'index/', 'snapshots/'].map(s3.list))).flat().length;
    const before = await keys();
    await box.ok('copy');
    assert.equal(await keys(), before);
    await box.storeLog(await box.open('local'), 900_000, segmentBytes);
    await box.ok('copy', '--source', 'app-db');
    const added = await keys();
    // In the bucket the parts of the segment became one whole, and the parts are hidden.
    assert.ok(added <= before + 1, `${before} objects became ${added}`);
  });

  test('are read by restic', async () => {
    const { status, stdout, stderr } = await run(systemRestic, ['check', '--read-data'], {
      repository: `s3:${gateway.endpoint}/${bucket}/app`,
      password: testPassword,
      env: { AWS_ACCESS_KEY_ID: gateway.accessKey, AWS_SECRET_ACCESS_KEY: gateway.secretKey },
    });
    assert.equal(status, 0, stdout + stderr);
  });

  test('hold the long rule once all were checked: immutability is believed when it is seen', async () => {
    for (const name of ['local', 'nas', 'offsite']) await box.ok('-r', name, 'check');
    const { status, stdout } = await box.run('status', '--copies', 'uploads');
    assert.match(stdout, /✓ 1 {2}immutable: offsite/);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /✓ 2 {2}3 kinds of storage: path, sftp, s3/);
    assert.match(stdout, /✓ 1 {2}elsewhere: cellar, elsewhere/);
  });

  test('do not count while they are out of reach, and the others get theirs', async () => {
    writeFileSync(box.path('files/b'), 'second');
    await box.ok('backup', '--source', 'uploads');
    await sshd.stop();
    const copied = await box.run('copy', '-o', 'sftp.retry-for=1s');
    assert.equal(copied.status, 3, copied.stderr);
    assert.match(copied.stderr, /nas/);
    assert.equal((await listSnapshots(await box.open(s3))).snapshots.length, 2);
    const { status, stdout } = await box.run('status', '-o', 'sftp.retry-for=1s', 'uploads');
    assert.equal(status, 4, stdout);
    assert.match(stdout, /nas does not count: /);
    assert.match(stdout, /^ {2}nas .* unreachable, seen /m);
    await sshd.start();
  });

  test('bring everything back when the first repository is lost', async () => {
    rmSync(box.path('local'), { recursive: true });
    const local = await box.create('local');
    await box.ok('copy', '--from', 'offsite', '--to', 'local', '--verify', 'read');
    assert.equal((await listSnapshots(local)).snapshots.length, 2);
    const { places, close } = journalPlaces([{ name: 'local', repository: local }], { threads: 0 });
    const unit = segmentName(segmentAt(1, 0n, segmentBytes), segmentBytes);
    const { bytes, end } = await loadUnit(places[0]!, stream, unit, segmentBytes, null);
    await close();
    assert.equal(end, segmentBytes);
    assert.ok(bytes.equals(logBytes(0, segmentBytes)));
    await box.ok('-r', 'local', 'check', '--read-data');
  });
});
