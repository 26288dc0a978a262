import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lifeboat } from '../programs.ts';
import { freePort, hasSshd, startSshd } from '../storage/sshd.ts';
import { makeFiles } from './exchange.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'storage.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'storage-page-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What a section tells to run, up to the next one of its rank. */
function commandsOf(heading: string): string[] {
  const section = page.split(new RegExp(`^## ${heading}$`, 'm'))[1]?.split(/^## /m)[0];
  assert.ok(section, heading);
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, body]) => body!);
}

function replaced(script: string, values: readonly (readonly [string, string])[]): string {
  return values.reduce((whole, [from, to]) => whole.replaceAll(from, to), script);
}

/** `lifeboat` and what else the page takes for granted. */
function programs(bin: string, others: Readonly<Record<string, string>> = {}): void {
  mkdirSync(bin, { recursive: true });
  for (const [name, lines] of Object.entries({ lifeboat: `exec '${lifeboat().path}' "$@"`, ...others })) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(bin, name), 0o755);
  }
}

async function runScript(script: string, env: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn('/bin/sh', ['-eu', '-c', script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
  return stdout;
}

describe('docs/storage.md', () => {
  test('tells how to store on an SSH server', { skip: !hasSshd && 'needs sshd' }, async () => {
    const sshd = await startSshd();
    try {
      const home = join(folder, 'home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      writeFileSync(join(home, '.ssh', 'id_ed25519'), readFileSync(sshd.key), { mode: 0o600 });
      programs(join(folder, 'bin'));
      makeFiles(join(folder, 'srv', 'app'));
      const script = replaced(commandsOf('SFTP').join(''), [
        ['ssh-keyscan nas.example.org', `ssh-keyscan -p ${sshd.port} 127.0.0.1`],
        ['ssh-keygen -lF nas.example.org', `ssh-keygen -f ~/.ssh/known_hosts -lF '[127.0.0.1]:${sshd.port}'`],
        ['sftp:backup@nas.example.org:', `sftp://${sshd.user}@127.0.0.1:${sshd.port}/`],
        ['/srv/', `${folder}/srv/`],
      ]);
      const printed = await runScript(script, {
        PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
        HOME: home,
        LIFEBOAT_PASSWORD: 'of the page',
      });
      assert.match(printed, /no errors were found/);
      assert.ok(existsSync(join(folder, 'srv/backup/app/config')));
    } finally {
      await sshd.destroy();
    }
  });

  test('tells how to serve repositories, and how to clean them up', async () => {
    const { hash } = (await import('bcryptjs')).default;
    const secret = 'as given to htpasswd';
    const line = `app:${await hash(secret, 4)}`;
    const root = join(folder, 'served');
    const bin = join(root, 'bin');
    programs(bin, { htpasswd: `test "$1 $2" = '-B -c' && echo '${line}' > "$3"` });
    for (const path of ['srv/backup', 'etc/lifeboat']) mkdirSync(join(root, path), { recursive: true });
    makeFiles(join(root, 'srv', 'app'));
    const [cert, key] = [join(root, 'etc/lifeboat/server.crt'), join(root, 'etc/lifeboat/server.key')];
    spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key],
    ]);
    const port = await freePort();
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: root,
      LIFEBOAT_PASSWORD: 'of the page',
      LIFEBOAT_CACERT: cert,
    };
    const [users, serve, client, tidy] = commandsOf('REST').map((block) =>
      replaced(block, [
        ['backup.example.org:8000', `127.0.0.1:${port}`],
        ['--rest :8000', `--rest 127.0.0.1:${port}`],
        ['/srv/', `${root}/srv/`],
        ['/etc/lifeboat/', `${root}/etc/lifeboat/`],
      ]),
    ) as [string, string, string, string];
    await runScript(users, env);
    const server = spawn('/bin/sh', ['-c', `exec ${serve}`], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(server.stdout, 'data');
      await runScript(client, env);
      await runScript(tidy, env);
    } finally {
      server.kill('SIGTERM');
      await sleep(50);
    }
    assert.ok(existsSync(join(root, 'srv/backup/app/config')));
  });
});
