import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runForTest } from '../../src/cli/testing.ts';
import { gatewayMissing, joinGateway } from '../s3/gateway.ts';
import { makeBucket } from '../s3/place.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'copies.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'copies-page-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, body]) => body!);

/** What mounting is here: the disk's folder comes to its place, or goes. */
const disk = { mounted: join(folder, 'mnt/usb'), away: join(folder, 'disk') };

test('docs/copies.md leads from nothing to 3-2-1, command by command', { skip: gatewayMissing }, async () => {
  const gateway = await joinGateway();
  try {
    const bucket = gateway.newBucket();
    await makeBucket(gateway, bucket, { objectLock: true });
    for (const path of ['etc/lifeboat', 'srv/app/uploads', 'mnt', 'disk'])
      mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, 'srv/app/uploads/file'), 'content');
    writeFileSync(join(folder, 'etc/lifeboat/repo.key'), 'of the page\n', { mode: 0o600 });
    const [configuration] = blocks('yaml');
    const here = configuration!
      .replaceAll(/ (\/(?:var|mnt)\/|\[\/srv\/)/g, (found) => found.replace('/', `${folder}/`))
      .replaceAll('file:/etc/', `file:${folder}/etc/`)
      .replace('https://s3.example.org', gateway.endpoint)
      .replace('bucket: acme-backups', `bucket: ${bucket}`)
      // The gateway is on this machine, so it is said to be elsewhere.
      .replace('    immutability:', '    site: elsewhere\n    immutability:');
    writeFileSync(join(folder, 'lifeboat.yaml'), here);
    const env = {
      HOME: folder,
      LIFEBOAT_CONFIG: join(folder, 'lifeboat.yaml'),
      XDG_STATE_HOME: join(folder, 'state'),
      AWS_ACCESS_KEY_ID: gateway.accessKey,
      AWS_SECRET_ACCESS_KEY: gateway.secretKey,
    };
    const shown = new Map<string, string>();
    for (const line of blocks('sh').join('').trim().split('\n')) {
      if (line === 'mount /mnt/usb') renameSync(disk.away, disk.mounted);
      else if (line === 'umount /mnt/usb') renameSync(disk.mounted, disk.away);
      else {
        const [program, ...args] = line.split(' ');
        assert.equal(program, 'lifeboat', line);
        const { status, stdout, stderr } = await runForTest(args, { env });
        assert.equal(status, line.includes(' status ') ? 3 : 0, `${line}\n${stdout}${stderr}`);
        shown.set(line, stdout);
      }
    }
    const found = shown.get('lifeboat status --copies')!;
    const [promised] = blocks('');
    // All but times and the host is as the page shows it.
    for (const rule of promised!
      .trim()
      .split('\n')
      .filter((line) => /^ {2}[✓✗]|^ {7}next|^uploads/.test(line)))
      assert.ok(found.includes(rule.replace('s3.example.org', 'elsewhere')), `${rule}\nis not in\n${found}`);
    assert.match(shown.get('lifeboat copy')!, /^offsite: 1 snapshot copied/m);
    assert.match(shown.get('lifeboat -r offsite snapshots')!, /1 snapshots/);
  } finally {
    gateway.release();
  }
});
