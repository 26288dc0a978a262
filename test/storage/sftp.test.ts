import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ErrorCode, hasCode, type LifeboatError } from '../../src/core/errors.ts';
import { type ConnectedStorage, sftpStorage } from '../../src/storage/sftp/sftp.ts';
import { testStorage } from './contract.ts';
import { hasSshd, keygen, startSshd, type TestSshd, wireTo } from './sshd.ts';
import { mountSmallDisk } from './tmpfs.ts';

interface Given {
  readonly path: string;
  readonly port?: number | null;
  readonly host?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly keyFile?: string | null;
  readonly passphrase?: string;
}

const clients: ConnectedStorage[] = [];

function connectTo(sshd: TestSshd, given: Given): ConnectedStorage {
  const { passphrase } = given;
  const storage = sftpStorage(
    {
      host: given.host ?? '127.0.0.1',
      port: given.port === undefined ? sshd.port : given.port,
      user: null,
      path: given.path,
    },
    {
      env: { HOME: sshd.folder, ...given.env },
      keyFile: given.keyFile ?? null,
      passphrase: passphrase === undefined ? null : async () => passphrase,
      knownHostsFile: null,
      configFile: null,
      connections: 5,
    },
  );
  clients.push(storage);
  return storage;
}

const raised =
  (code: ErrorCode, says = /./) =>
  (error: unknown): boolean =>
    hasCode(error, code) && says.test(error.message) && error.hint !== '';

if (!hasSshd) test('storage sftp', { skip: 'needs sshd' });
else {
  const sshd = await startSshd();
  after(async () => {
    for (const client of clients) client.close();
    await sshd.destroy();
  });
  const repositories = join(sshd.folder, 'repositories');

  testStorage('sftp', async () => {
    const root = join(repositories, 'contract', 'to be', 'created');
    return {
      connect: () => connectTo(sshd, { path: root }),
      async leaveUnfinished(key) {
        const path = join(root, key);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(`${path}-tmp-1a2b3c4d5e6f`, 'of Lifeboat');
        await writeFile(`${path}-restic-temp-1234567890`, 'of restic');
      },
      close: async () => undefined,
    };
  });

  describe('sftp storage', () => {
    test('has private files, readable for the group where the config is', async () => {
      const root = join(repositories, 'modes');
      const modeOf = (path: string): string => (statSync(join(root, path)).mode & 0o7777).toString(8);
      const storage = connectTo(sshd, { path: root });
      await storage.create();
      await storage.save('config', []);
      await storage.save('keys/a', []);
      assert.deepEqual(
        [modeOf(''), modeOf('keys'), modeOf('keys/a'), modeOf('config')],
        ['700', '700', '400', '400'],
      );
    });

    test('says storage-full on a full disk, keeps what it had, and goes on once there is room', async (t) => {
      const disk = mountSmallDisk(3_000_000);
      if (!disk) return t.skip('needs root');
      const storage = connectTo(sshd, { path: join(disk.path, 'repository') });
      try {
        await storage.create();
        const first = randomBytes(1_600_000);
        await storage.save('data/aa/first', [first]);
        const more = randomBytes(1_600_000);
        await assert.rejects(storage.save('data/bb/second', [more]), raised('storage-full'));
        await assert.rejects(storage.save('data/aa/first', [more]), raised('storage-full'));
        assert.deepEqual(await storage.list('data/'), [{ key: 'data/aa/first', size: 1_600_000 }]);
        assert.ok((await storage.load('data/aa/first')).equals(first));
        assert.deepEqual(readdirSync(join(disk.path, 'repository/data/bb')), []);
        disk.resize(6_000_000);
        await storage.save('data/bb/second', [more]);
        assert.ok((await storage.load('data/bb/second')).equals(more));
      } finally {
        storage.close();
        await new Promise((resolve) => setTimeout(resolve, 300));
        disk.unmount();
      }
    });

    test('goes on after a connection broke in the middle of a save and of a load', async () => {
      const wire = await wireTo(sshd.port);
      const root = join(repositories, 'broken');
      writeFileSync(sshd.knownHosts, `[127.0.0.1]:${wire.port} ${hostKeyOf(sshd)}`, { flag: 'a' });
      const storage = connectTo(sshd, { path: root, port: wire.port });
      await storage.create();
      const content = randomBytes(6_000_000);
      wire.cutAfter(2_000_000, 'sent');
      await storage.save('data/aa/pack', [content]);
      assert.ok(readFileSync(join(root, 'data/aa/pack')).equals(content));
      wire.cutAfter(2_000_000, 'received');
      assert.ok((await storage.load('data/aa/pack')).equals(content));
      await Promise.all(
        Array.from({ length: 8 }, async (_, n) => {
          const bytes = randomBytes(700_000 + n);
          if (n === 4) wire.cut();
          await storage.save(`data/bb/${n}`, [bytes]);
          if (n === 6) wire.cut();
          assert.ok((await storage.load(`data/bb/${n}`)).equals(bytes));
        }),
      );
      assert.deepEqual(readdirSync(join(root, 'data/bb')).sort(), ['0', '1', '2', '3', '4', '5', '6', '7']);
      wire.cut();
      await storage.remove('data/aa/pack');
      assert.equal(await storage.size('data/aa/pack'), null);
      storage.close();
      await wire.close();
    });

    test('says storage-unreachable where the server stays away, and works when it is back', async () => {
      const storage = connectTo(sshd, { path: join(repositories, 'away') });
      await storage.create();
      await storage.save('config', [Buffer.from('x')]);
      await sshd.stop();
      await assert.rejects(storage.load('config'), raised('storage-unreachable', /127\.0\.0\.1/));
      await sshd.start();
      assert.equal(String(await storage.load('config')), 'x');
    });
  });

  describe('a login to an SSH server', () => {
    const root = join(repositories, 'login');
    mkdirSync(root, { recursive: true });
    const tries = (given: Omit<Given, 'path'> = {}): Promise<number | null> =>
      connectTo(sshd, { path: root, ...given }).size('absent');

    test('refuses a host whose key is not known, and says what it is', async () => {
      const home = join(sshd.folder, 'stranger');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      const fingerprint = /SHA256:\S+/.exec(
        spawnSync('ssh-keygen', ['-lf', join(sshd.folder, 'host_key.pub')], { encoding: 'utf8' }).stdout,
      )![0];
      await assert.rejects(tries({ env: { HOME: home }, keyFile: sshd.key }), (error: LifeboatError) => {
        assert.equal(error.code, 'ssh-host-unknown');
        assert.ok(error.message.includes(`ssh-ed25519 ${fingerprint}`), error.message);
        assert.match(error.hint, /ssh-keyscan -p \d+ 127\.0\.0\.1 >> .*known_hosts/);
        return true;
      });
    });

    test('refuses a host whose key is another, also where another type of key is known', async () => {
      const other = join(sshd.folder, 'other');
      for (const type of ['ed25519', 'ecdsa']) {
        keygen(other, '-t', type);
        const known = join(sshd.folder, `known-${type}`);
        writeFileSync(known, `[127.0.0.1]:${sshd.port} ${readFileSync(`${other}.pub`, 'utf8')}`);
        const config = join(sshd.folder, `config-${type}`);
        writeFileSync(config, `UserKnownHostsFile ${known}\n`);
        const home = join(sshd.folder, `home-${type}`);
        mkdirSync(join(home, '.ssh'), { recursive: true });
        writeFileSync(join(home, '.ssh', 'config'), `UserKnownHostsFile ${known}\n`);
        await assert.rejects(
          tries({ env: { HOME: home }, keyFile: sshd.key }),
          raised('ssh-host-changed', new RegExp(`${known}:1`)),
        );
      }
    });

    test('refuses a revoked key', async () => {
      const known = join(sshd.folder, 'known-revoked');
      writeFileSync(known, `[127.0.0.1]:${sshd.port} ${hostKeyOf(sshd)}@revoked * ${hostKeyOf(sshd)}`);
      const home = homeWith(sshd, 'revoked', `UserKnownHostsFile ${known}\n`);
      await assert.rejects(
        tries({ env: { HOME: home }, keyFile: sshd.key }),
        raised('ssh-host-changed', /revoked in .*known-revoked:2/),
      );
    });

    test('knows hashed names', async () => {
      const known = join(sshd.folder, 'known-hashed');
      writeFileSync(known, `[127.0.0.1]:${sshd.port} ${hostKeyOf(sshd)}`);
      spawnSync('ssh-keygen', ['-q', '-H', '-f', known]);
      assert.match(readFileSync(known, 'utf8'), /^\|1\|/);
      const home = homeWith(sshd, 'hashed', `UserKnownHostsFile ${known}\n`);
      assert.equal(await tries({ env: { HOME: home }, keyFile: sshd.key }), null);
    });

    test('is refused without a key that the server knows, and says what was tried', async () => {
      const stranger = join(sshd.folder, 'stranger-key');
      keygen(stranger);
      await assert.rejects(tries({ keyFile: stranger }), raised('ssh-login-refused', /stranger-key/));
      await assert.rejects(
        tries({ keyFile: join(sshd.folder, 'absent') }),
        raised('ssh-settings', /absent does not exist/),
      );
      const home = homeWith(sshd, 'keyless', `UserKnownHostsFile ${sshd.knownHosts}\n`);
      await assert.rejects(tries({ env: { HOME: home } }), raised('ssh-login-refused', /there is no key/));
    });

    test('opens an encrypted key with its passphrase, and says where that is missing or wrong', async () => {
      const encrypted = join(sshd.folder, 'encrypted');
      writeFileSync(encrypted, readFileSync(sshd.key), { mode: 0o600 });
      spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'three green boats', '-f', encrypted]);
      assert.equal(await tries({ keyFile: encrypted, passphrase: 'three green boats' }), null);
      await assert.rejects(tries({ keyFile: encrypted }), raised('ssh-settings', /no passphrase was given/));
      await assert.rejects(tries({ keyFile: encrypted, passphrase: 'no' }), (error: LifeboatError) => {
        assert.match(error.message, /does not open with the passphrase/);
        return !error.message.includes('green');
      });
    });

    test('takes the keys of an agent, of which only those named where that is asked for', async () => {
      const socket = join(sshd.folder, 'agent.sock');
      const started = spawnSync('ssh-agent', ['-a', socket], { encoding: 'utf8' });
      const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(started.stdout)![1]);
      try {
        const env = { SSH_AUTH_SOCK: socket };
        for (let n = 0; n < 7; n++) {
          const extra = join(sshd.folder, `extra-${n}`);
          keygen(extra);
          spawnSync('ssh-add', ['-q', extra], { env: { ...process.env, ...env } });
        }
        spawnSync('ssh-add', ['-q', sshd.key], { env: { ...process.env, ...env } });
        const lines = `UserKnownHostsFile ${sshd.knownHosts}\n`;
        const named = homeWith(sshd, 'agent', `${lines}IdentitiesOnly yes\nIdentityFile ${sshd.key}.pub\n`);
        assert.equal(await tries({ env: { ...env, HOME: named } }), null);
      } finally {
        process.kill(pid);
      }
    });

    test('takes host, port, user and key from the configuration of SSH, and goes through a jump host', async () => {
      const home = homeWith(
        sshd,
        'jumping',
        [
          'Host nas',
          '  HostName 127.0.0.1',
          `  Port ${sshd.port}`,
          `  IdentityFile "${sshd.key}"`,
          '  ProxyJump gate',
          'Host gate',
          '  HostName 127.0.0.1',
          `  Port=${sshd.port}`,
          `  IdentityFile ${sshd.key}`,
          'Match all',
          `  UserKnownHostsFile ${sshd.knownHosts}`,
          '',
        ].join('\n'),
      );
      const before = sshd.log().split('Accepted publickey').length;
      const storage = connectTo(sshd, { path: root, host: 'nas', port: null, env: { HOME: home } });
      assert.equal(await storage.size('absent'), null);
      storage.close();
      assert.equal(sshd.log().split('Accepted publickey').length, before + 2);
    });
  });

  test('a server with a changed host key is refused until known_hosts is put right', async () => {
    const changing = await startSshd();
    try {
      const place = { path: join(changing.folder, 'repository') };
      const storage = connectTo(changing, place);
      await storage.create();
      await changing.stop();
      changing.changeHostKey();
      await changing.start();
      await assert.rejects(storage.size('x'), raised('ssh-host-changed'));
      rmSync(changing.knownHosts);
      await assert.rejects(storage.size('x'), raised('ssh-host-unknown'));
      writeFileSync(changing.knownHosts, `[127.0.0.1]:${changing.port} ${hostKeyOf(changing)}`);
      assert.equal(await storage.size('x'), null);
      storage.close();
    } finally {
      await changing.destroy();
    }
  });

  test('a server that lets one channel be opened is enough', async () => {
    const narrow = await startSshd(['MaxSessions 1']);
    try {
      const storage = connectTo(narrow, { path: join(narrow.folder, 'repository') });
      await storage.create();
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => storage.save(`data/aa/${n}`, [Buffer.from(String(n))])),
      );
      assert.equal((await storage.list('data/')).length, 20);
      storage.close();
    } finally {
      await narrow.destroy();
    }
  });
}

function hostKeyOf(sshd: TestSshd): string {
  return readFileSync(join(sshd.folder, 'host_key.pub'), 'utf8');
}

/** A home with this configuration of SSH. */
function homeWith(sshd: TestSshd, name: string, config: string): string {
  const home = join(sshd.folder, `home-of-${name}`);
  mkdirSync(join(home, '.ssh'), { recursive: true });
  writeFileSync(join(home, '.ssh', 'config'), config);
  return home;
}
