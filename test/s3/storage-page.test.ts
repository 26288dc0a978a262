import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { lifeboat } from '../programs.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { connectTo } from './place.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'storage.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'storage-page-s3-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The blocks of one language in a section. */
function blocksOf(heading: string, language: string): string[] {
  const section = page.split(new RegExp(`^## ${heading}$`, 'm'))[1]?.split(/^## /m)[0];
  assert.ok(section, heading);
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, body]) => body!,
  );
}

async function runScript(script: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(folder, 'srv/app'), { recursive: true });
  writeFileSync(join(folder, 'srv/app/file'), 'content');
  writeFileSync(join(bin, 'lifeboat'), `#!/bin/sh\nexec '${lifeboat().path}' "$@"\n`);
  chmodSync(join(bin, 'lifeboat'), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: folder, ...more };
  const child = spawn('/bin/sh', ['-eu', '-c', script.replaceAll('/srv/', `${folder}/srv/`)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
  return stdout;
}

const password = { LIFEBOAT_PASSWORD: 'of the page' };

describe('docs/storage.md', () => {
  test('tells how to store in a folder', async () => {
    assert.match(await runScript(blocksOf('Folder', 'sh').join(''), password), /no errors were found/);
  });

  test('tells how to store on S3, by location and by configuration', { skip: gatewayMissing }, async () => {
    const gateway = await joinGateway();
    try {
      const bucket = gateway.newBucket();
      const values = [
        ['https://s3.example.org', gateway.endpoint],
        ['acme-backups', bucket],
        ["'of the backup job'", gateway.accessKey],
        ["'its secret'", gateway.secretKey],
        ['/etc/lifeboat/', `${folder}/`],
      ] as const;
      const filledIn = (block: string): string =>
        values.reduce((whole, [example, real]) => whole.replaceAll(example, real), block);
      const script = filledIn(blocksOf('S3', 'sh').join(''));
      assert.match(await runScript(script, password), /no errors were found/);
      assert.equal((await connectTo(gateway, `${bucket}/app`).list('snapshots/')).length, 1);

      const [configuration] = blocksOf('S3', 'yaml');
      writeFileSync(join(folder, 'lifeboat.yaml'), filledIn(configuration!));
      writeFileSync(join(folder, 'repo.key'), 'of the page\n', { mode: 0o600 });
      const byName = `${script.split('\n')[0]}\nlifeboat --config ${folder}/lifeboat.yaml -r offsite snapshots`;
      assert.match(await runScript(byName), /1 snapshots/);
    } finally {
      gateway.release();
    }
  });

  test('tells how to make backups immutable', { skip: gatewayMissing }, async () => {
    const gateway = await joinGateway();
    try {
      const values = [
        ['https://s3.example.org', gateway.endpoint],
        ['acme-backups', gateway.newBucket()],
        ["'of the backup job'", gateway.accessKey],
        ["'its secret'", gateway.secretKey],
        ['/etc/lifeboat/', `${folder}/`],
      ] as const;
      const filledIn = (block: string): string =>
        values.reduce((whole, [example, real]) => whole.replaceAll(example, real), block);
      const configuration = join(folder, 'immutable.yaml');
      writeFileSync(configuration, filledIn(blocksOf('Immutability', 'yaml')[0]!));
      writeFileSync(join(folder, 'repo.key'), 'of the page\n', { mode: 0o600 });
      const printed = await runScript(filledIn(blocksOf('Immutability', 'sh').join('')), {
        LIFEBOAT_CONFIG: configuration,
      });
      assert.match(printed, /Object Lock, compliance/);
      assert.match(printed, /What these credentials have stored is safe from them/);
      assert.match(printed, /all are protected for long enough/);
      assert.match(printed, /nothing was hidden or overwritten since then|snapshots/);
      assert.match(printed, /released; their retention and the policies count again/);
    } finally {
      gateway.release();
    }
  });
});
