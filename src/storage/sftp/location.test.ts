import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../../core/errors.ts';
import { formatSftpLocation, parseSftpLocation } from './location.ts';

const cases = [
  ['sftp:host:/srv/repo', null, 'host', null, '/srv/repo'],
  ['sftp:me@host:repo/', 'me', 'host', null, 'repo'],
  ['sftp:me@example.org@host:repo', 'me@example.org', 'host', null, 'repo'],
  ['sftp:host:', null, 'host', null, '.'],
  ['sftp:me@[2001:db8::1]:/srv', 'me', '2001:db8::1', null, '/srv'],
  ['sftp:host:/srv/a:b', null, 'host', null, '/srv/a:b'],
  ['sftp://host/repo', null, 'host', null, 'repo'],
  ['sftp://me@host:2222//srv/../repo', 'me', 'host', 2222, '/repo'],
  ['sftp://me%40example.org@[::1]:22/a%20b', 'me@example.org', '::1', 22, 'a b'],
] as const;

describe('a location on an SSH server', () => {
  for (const [location, user, host, port, path] of cases) {
    test(`${location} is ${path} at ${host}`, () => {
      const parsed = parseSftpLocation(location);
      assert.deepEqual(parsed, { user, host, port, path });
      assert.deepEqual(parseSftpLocation(formatSftpLocation(parsed)), parsed);
    });
  }

  for (const location of [
    'sftp:',
    'sftp:host',
    'sftp://host',
    'sftp:host:~/repo',
    'sftp://:/x',
    'sftp::/x',
  ]) {
    test(`${location} is refused`, () => {
      assert.throws(
        () => parseSftpLocation(location),
        (error) => hasCode(error, 'usage'),
      );
    });
  }

  test('a password in it is refused without being repeated', () => {
    assert.throws(
      () => parseSftpLocation('sftp://me:secret-word@host/x'),
      (error) => hasCode(error, 'usage') && !`${error.message} ${error.hint}`.includes('secret-word'),
    );
  });
});
