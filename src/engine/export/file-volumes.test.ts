import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openFileVolumes, volumePath } from './file-volumes.ts';

const folder = mkdtempSync(join(tmpdir(), 'file-volumes-'));
after(() => rmSync(folder, { recursive: true }));

const options = { recordBytes: 512, several: true, volumesExpected: 1, bytesExpected: 1000 };

describe('the file of a volume', () => {
  const cases = [
    ['/m/x-%03d.tar', 7, true, '/m/x-007.tar'],
    ['/m/x-%d.tar', 12, true, '/m/x-12.tar'],
    ['/m/x-%d.tar', 1, false, '/m/x-1.tar'],
    ['/m/%02d%d', 3, true, '/m/03%d'],
    ['/m/x.tar', 7, true, '/m/x-007.tar'],
    ['/m/x.y.tar', 1000, true, '/m/x.y-1000.tar'],
    ['/m/x', 7, true, '/m/x-007'],
    ['/m/x.tar', 1, false, '/m/x.tar'],
    ['/m%d/x.tar', 1, false, '/m%d/x.tar'],
    ['x.tar', 2, true, 'x-002.tar'],
  ] as const;
  for (const [path, volume, several, expected] of cases)
    test(`${path} for volume ${volume} is ${expected}`, () => {
      assert.equal(volumePath(path, volume, several), expected);
    });
});

describe('volumes as files', () => {
  test('bear a mark until they are complete, and are all removed when given up', async () => {
    const output = await openFileVolumes(join(folder, 'a.tar'), options);
    const first = await output.open(1);
    await first.write(Buffer.alloc(1024, 1));
    assert.deepEqual(readdirSync(folder), ['a-001.tar.partial']);
    await first.finish();
    const second = await output.open(2);
    await second.write(Buffer.alloc(512, 2));
    assert.deepEqual(readdirSync(folder), ['a-001.tar', 'a-002.tar.partial']);
    assert.equal(readFileSync(join(folder, 'a-001.tar')).length, 1024);
    assert.equal(await output.abandon(), null);
    assert.deepEqual(readdirSync(folder), []);
  });

  test('never replace any that is there, also not one that comes later', async () => {
    writeFileSync(join(folder, 'b-002.tar'), 'older');
    await assert.rejects(openFileVolumes(join(folder, 'b.tar'), { ...options, volumesExpected: 2 }), {
      code: 'export-exists',
    });
    const output = await openFileVolumes(join(folder, 'b.tar'), options);
    await (await output.open(1)).finish();
    await assert.rejects(output.open(2), { code: 'export-exists', message: /b-002.tar exists already/ });
    await output.abandon();
    assert.deepEqual(readdirSync(folder), ['b-002.tar']);
    assert.equal(readFileSync(join(folder, 'b-002.tar'), 'utf8'), 'older');
  });

  test('want room before the first byte', async () => {
    await assert.rejects(openFileVolumes(join(folder, 'c.tar'), { ...options, bytesExpected: 2 ** 60 }), {
      code: 'export-failed',
      message: /needs about \d+ MiB, and .* has \d+ MiB free; nothing was written/,
    });
  });

  test('take a device for one volume, and give it whole records', async () => {
    await assert.rejects(openFileVolumes('/dev/null', options), { code: 'usage' });
    const output = await openFileVolumes('/dev/null', { ...options, several: false });
    assert.equal(output.pieceBytes, 512);
    const target = await output.open(1);
    await target.write(Buffer.alloc(512));
    await target.finish();
  });
});
