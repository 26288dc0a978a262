import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LifeboatError } from '../../../core/errors.ts';
import { parseConnectionString } from './conninfo.ts';

const parsed = (text: string): Record<string, string> => Object.fromEntries(parseConnectionString(text));

describe('a connection URI', () => {
  const cases: readonly (readonly [string, Record<string, string>])[] = [
    ['postgresql://', {}],
    ['postgres://localhost', { host: 'localhost' }],
    ['postgresql://u@h:5433/d', { user: 'u', host: 'h', port: '5433', dbname: 'd' }],
    ['postgresql://u:p%40s%3As@h/d', { user: 'u', password: 'p@s:s', host: 'h', dbname: 'd' }],
    ['postgresql://u:p@ss@h/d', { user: 'u', password: 'p@ss', host: 'h', dbname: 'd' }],
    ['postgresql:///d?host=/run/pg&port=6', { dbname: 'd', host: '/run/pg', port: '6' }],
    ['postgresql://%2Frun%2Fpg/d', { host: '/run/pg', dbname: 'd' }],
    ['postgresql://[::1]:5433/d', { host: '::1', port: '5433', dbname: 'd' }],
    ['postgresql://a:1,b:2/d', { host: 'a,b', port: '1,2', dbname: 'd' }],
    ['postgresql://a,b/d', { host: 'a,b', dbname: 'd' }],
    [
      'postgresql://h/d?sslmode=verify-full&options=-c%20geqo%3Doff',
      { host: 'h', dbname: 'd', sslmode: 'verify-full', options: '-c geqo=off' },
    ],
    ['postgresql://h/d?ssl=true', { host: 'h', dbname: 'd', sslmode: 'require' }],
    ['postgresql://h/d%20e?user=a@b', { host: 'h', dbname: 'd e', user: 'a@b' }],
  ];
  for (const [uri, parameters] of cases) test(uri, () => assert.deepEqual(parsed(uri), parameters));

  test('brings any user, password and database through percent-encoding', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter((each) => !each.includes('\0'));
    fc.assert(
      fc.property(text, text, text, (user, password, dbname) => {
        const [u, p, d] = [user, password, dbname].map(encodeURIComponent);
        assert.deepEqual(parsed(`postgresql://${u}:${p}@h/${d}`), { user, password, host: 'h', dbname });
      }),
    );
  });
});

describe('keywords and values', () => {
  test('are separated by blanks, quoted where they hold blanks', () => {
    assert.deepEqual(parsed(String.raw`host=h user = 'a b' password='it\'s \\' dbname=a\ b  `), {
      host: 'h',
      user: 'a b',
      password: String.raw`it's \ `.trim(),
      dbname: 'a b',
    });
    assert.deepEqual(parsed(''), {});
    assert.deepEqual(parsed("host=''"), { host: '' });
  });

  test('bring any value through quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const quoted = value.replace(/[\\']/g, '\\$&');
        assert.deepEqual(parsed(`password='${quoted}' user=u`), { password: value, user: 'u' });
      }),
    );
  });
});

describe('what is no connection string', () => {
  const secret = 'geheim';
  const cases = [
    secret,
    `postgresql://u:${secret}%zz@h/d`,
    `postgresql://u:${secret}%00@h/d`,
    `postgresql://u:${secret}@h:port/d`,
    `postgresql://u:a/${secret}@h`,
    `postgresql://h/d?${secret}`,
    `host=h password='${secret}`,
    `host=h password=${secret}'`,
    `mysql://u:${secret}@h/d`,
  ];
  for (const text of cases) {
    test(`${text} is refused without being repeated`, () => {
      assert.throws(
        () => parseConnectionString(text),
        (error) =>
          error instanceof LifeboatError &&
          error.code === 'database-settings' &&
          !error.message.includes(secret),
      );
    });
  }
});
