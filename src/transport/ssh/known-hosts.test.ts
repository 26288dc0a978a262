import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { hostKeyAlgorithms, judgeHostKey, type KnownHostKey, parseKnownHosts } from './known-hosts.ts';

function blobOf(type: string, fill: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.alloc(32, fill)]);
}
const one = blobOf('ssh-ed25519', 1);
const two = blobOf('ssh-ed25519', 2);
const rsa = blobOf('ssh-rsa', 3);
const line = (hosts: string, blob: Buffer, type = 'ssh-ed25519'): string =>
  `${hosts} ${type} ${blob.toString('base64')} a comment`;
const hashed = (name: string): string =>
  `|1|${Buffer.alloc(20, 7).toString('base64')}|${createHmac('sha1', Buffer.alloc(20, 7)).update(name).digest('base64')}`;

function verdict(lines: readonly string[], name: string, port: number | null, key: Buffer): string {
  return judgeHostKey(parseKnownHosts(lines.join('\n'), 'known'), { name, port }, key).kind;
}

describe('known hosts', () => {
  test('know a host by its name, by patterns, and by a hash of the name', () => {
    for (const hosts of ['nas', 'other,nas', 'n?s', '*.org,na*', hashed('nas')])
      assert.equal(verdict([line(hosts, one)], 'nas', 22, one), 'known', hosts);
    for (const hosts of ['nas2', 'na', '*,!nas', hashed('nas2')])
      assert.equal(verdict([line(hosts, one)], 'nas', 22, one), 'unknown', hosts);
  });

  test('tell ports apart, and take the key of the bare name where nothing is known of the port', () => {
    assert.equal(verdict([line('[nas]:2222', one)], 'nas', 2222, one), 'known');
    assert.equal(verdict([line('[nas]:2222', one)], 'nas', 22, one), 'unknown');
    assert.equal(verdict([line('[nas]:2222', two), line('nas', one)], 'nas', 2222, one), 'changed');
    assert.equal(verdict([line('nas', one)], 'nas', 2222, one), 'known');
    assert.equal(verdict([line('nas', one)], 'nas', 2222, two), 'unknown');
    assert.equal(verdict([line(hashed('[nas]:2222'), one)], 'nas', 2222, one), 'known');
    assert.equal(verdict([line('alias', one)], 'alias', null, one), 'known');
  });

  test('hold another key for a change, of whatever type', () => {
    assert.equal(verdict([line('nas', one)], 'nas', 22, two), 'changed');
    assert.equal(verdict([line('nas', rsa, 'ssh-rsa')], 'nas', 22, one), 'changed');
    assert.equal(verdict([line('nas', two), line('nas', one)], 'nas', 22, one), 'known');
  });

  test('revoke before they trust, and take no authority for a key', () => {
    assert.equal(verdict([line('nas', one), `@revoked ${line('*', one)}`], 'nas', 22, one), 'revoked');
    assert.equal(verdict([`@revoked ${line('*', two)}`], 'nas', 22, one), 'unknown');
    assert.equal(verdict([`@cert-authority ${line('*', one)}`], 'nas', 22, one), 'unknown');
  });

  test('skip what they cannot understand', () => {
    const lines = [
      '',
      '# nas',
      'nas',
      'nas ssh-ed25519',
      `nas ssh-rsa ${one.toString('base64')}`,
      '@odd nas x y',
    ];
    assert.deepEqual(parseKnownHosts(lines.join('\n'), 'known'), [] as KnownHostKey[]);
  });

  test('ask for the types of keys they know first', () => {
    const keys = parseKnownHosts(line('nas', rsa, 'ssh-rsa'), 'known');
    assert.deepEqual(hostKeyAlgorithms(keys, { name: 'nas', port: 22 }).slice(0, 3), [
      'rsa-sha2-512',
      'rsa-sha2-256',
      'ssh-ed25519',
    ]);
    assert.equal(hostKeyAlgorithms(keys, { name: 'else', port: 22 })[0], 'ssh-ed25519');
  });
});
