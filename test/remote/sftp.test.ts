import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { lifeboat, run, succeed, systemRestic } from '../programs.ts';
import { hasSshd, startSshd } from '../storage/sshd.ts';
import { exchangeBackups, makeFiles } from './exchange.ts';

if (!hasSshd) test('repositories on SSH servers', { skip: 'needs sshd' });
else {
  const sshd = await startSshd();
  after(() => sshd.destroy());
  const sshConfig = join(sshd.folder, '.ssh', 'config');
  writeFileSync(
    sshConfig,
    `Host nas
  HostName 127.0.0.1
  Port ${sshd.port}
  IdentityFile ${sshd.key}
  UserKnownHostsFile ${sshd.knownHosts}
`,
  );
  const env = { HOME: sshd.folder };
  const resticOptions = ['-o', `sftp.command=ssh -F ${sshConfig} nas -s sftp`];

  describe('repositories on SSH servers', () => {
    for (const creator of ['lifeboat', 'restic'] as const) {
      test(`that ${creator} made are read, checked and written by both`, async () => {
        const repository = `sftp:nas:${join(sshd.folder, 'repositories', creator)}`;
        const scratch = join(sshd.folder, `by-${creator}`);
        await exchangeBackups({ repository, env, resticOptions }, creator, scratch);
      });
    }

    test('are reached by the configuration, with a key and its passphrase, append-only where that is said', async () => {
      const { spawnSync } = await import('node:child_process');
      const key = join(sshd.folder, 'encrypted');
      writeFileSync(key, readFileSync(sshd.key), { mode: 0o600 });
      spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'seven-red-kites', '-f', key]);
      const path = join(sshd.folder, 'configured');
      const config = join(sshd.folder, 'lifeboat.yaml');
      writeFileSync(
        config,
        `version: 1
repositories:
  nas:
    sftp:
      { host: 127.0.0.1, port: ${sshd.port}, path: ${path}, key: encrypted, key-passphrase: env:KITES, known-hosts: .ssh/known_hosts }
    append-only: true
    password: env:KEY
`,
      );
      const given = {
        LIFEBOAT_CONFIG: config,
        KEY: 'of the repository',
        KITES: 'seven-red-kites',
        RESTIC_PASSWORD: '',
      };
      const source = makeFiles(join(sshd.folder, 'configured-source'));
      await succeed(lifeboat(), ['init'], { env: given });
      for (let n = 0; n < 2; n++) await succeed(lifeboat(), ['backup', source], { env: given });
      const before = readdirSync(join(path, 'snapshots'));
      const forgotten = await run(lifeboat(), ['forget', '--keep-last', '1', '--prune'], { env: given });
      assert.notEqual(forgotten.status, 0);
      assert.match(forgotten.stderr, /append-only/);
      assert.deepEqual(readdirSync(join(path, 'snapshots')), before);
      assert.deepEqual(readdirSync(join(path, 'locks')), []);
      const failed = await run(lifeboat(), ['snapshots', '--json'], {
        env: { ...given, KITES: 'eight-red-kites' },
      });
      assert.notEqual(failed.status, 0);
      assert.match(failed.stderr, /does not open with the passphrase/);
      assert.ok(!/red-kites/.test(failed.stdout + failed.stderr + forgotten.stderr + forgotten.stdout));
      const password = 'of the repository';
      await succeed(systemRestic, ['check', '--read-data'], { repository: path, password });
    });

    test('are refused where the host is not known, within a second', async () => {
      const startedMs = performance.now();
      const repository = `sftp://127.0.0.1:${sshd.port}//nowhere`;
      const { status, stderr } = await run(lifeboat(), ['snapshots'], {
        repository,
        env: { HOME: '/nonexistent', LIFEBOAT_SFTP_KEY: sshd.key },
      });
      assert.equal(status, 1);
      assert.match(stderr, /ssh-keyscan[\s\S]*help ssh-host-unknown/);
      assert.ok(performance.now() - startedMs < 5000);
    });
  });
}
