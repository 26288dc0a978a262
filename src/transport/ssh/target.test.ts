import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { hasCode } from '../../core/errors.ts';
import { type SshTargetSettings, sshTarget } from './target.ts';

const home = mkdtempSync(join(tmpdir(), 'ssh-target-'));
after(() => rmSync(home, { recursive: true }));
mkdirSync(join(home, '.ssh', 'conf.d'), { recursive: true });

function targetOf(
  config: string,
  host = 'nas',
  more: { user?: string; port?: number } = {},
): SshTargetSettings {
  const configFile = join(home, '.ssh', 'config');
  writeFileSync(configFile, config);
  return sshTarget(
    { host, user: more.user ?? null, port: more.port ?? null },
    {
      env: { HOME: home, FOLDER: 'keys' },
      keyFile: null,
      passphrase: null,
      knownHostsFile: null,
      configFile,
    },
  );
}

describe('where an SSH server is', () => {
  test('is what the location says where there is no configuration', () => {
    const target = targetOf('');
    assert.equal(target.name, `${userInfo().username}@nas`);
    assert.deepEqual([target.host, target.port, target.keyAlias], ['nas', 22, 'nas']);
    assert.equal(target.identityFiles[0], join(home, '.ssh/id_ed25519'));
    assert.equal(target.knownHostsFiles[0], join(home, '.ssh/known_hosts'));
    assert.deepEqual(target.jumps, []);
  });

  test('is what the first match of the configuration says, unless the location says it', () => {
    const config = `
      Host nas !other
        HostName %h.example.org
        Port 2222
      host n*
        Port 3333
        User "back up"
      Host *
        HostKeyAlias Alias`;
    const target = targetOf(config);
    assert.deepEqual(
      [target.host, target.port, target.user, target.keyAlias],
      ['nas.example.org', 2222, 'back up', 'alias'],
    );
    assert.deepEqual(
      [targetOf(config, 'nas', { user: 'me', port: 1 }).user, targetOf(config, 'nas', { port: 1 }).port],
      ['me', 1],
    );
    assert.equal(targetOf(config, 'other').port, 22);
  });

  test('collects keys, with tokens, and knows of agents and of jump hosts', () => {
    const target = targetOf(`
      IdentityFile ~/.ssh/%h-%r   # one
      IdentityFile=\${FOLDER}/%p
      User me
      IdentityAgent ~/agent
      ProxyJump a,b@[::1]:2200,ssh://c:22`);
    assert.deepEqual(target.identityFiles, [join(home, '.ssh/nas-me'), 'keys/22']);
    assert.equal(target.agent, join(home, 'agent'));
    assert.deepEqual(target.jumps, [
      { host: 'a', user: null, port: null },
      { host: '::1', user: 'b', port: 2200 },
      { host: 'c', user: null, port: 22 },
    ]);
  });

  test('may stand in files that the configuration includes, and in Match blocks', () => {
    writeFileSync(join(home, '.ssh/conf.d/a'), 'Host nas\n Port 5\n');
    assert.equal(targetOf('Include conf.d/*\nHost *\n Port 6\n').port, 5);
    assert.equal(targetOf('Match host nas user me\n Port 7\n', 'nas', { user: 'me' }).port, 7);
    assert.equal(targetOf('Match host nas user you\n Port 7\n', 'nas', { user: 'me' }).port, 22);
    assert.equal(targetOf('Match exec "true"\n Port 7\n').port, 22);
    assert.equal(targetOf('Match all\n Port 8\n').port, 8);
  });

  for (const [config, why] of [
    ['Port many', 'no port'],
    ['HostName "half', 'a quote that does not end'],
    ['ProxyCommand nc %h %p', 'a command cannot be obeyed'],
    ['ProxyJump b@:x', 'a jump host that is none'],
    ['Include config', 'includes itself'],
  ] as const) {
    test(`is refused where the configuration has ${why}`, () => {
      assert.throws(() => targetOf(config), settings);
    });
  }
});

const settings = (error: unknown): boolean => hasCode(error, 'ssh-settings');
