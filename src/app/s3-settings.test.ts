import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type ErrorCode, hasCode } from '../core/errors.ts';
import type { S3Settings } from '../storage/s3/settings.ts';
import { s3Opening } from './s3-settings.ts';
import { plainAccess } from './storage-access.ts';

const folder = mkdtempSync(join(tmpdir(), 's3-settings-'));
after(() => rmSync(folder, { recursive: true }));
const fileOf = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

type Environment = Readonly<Record<string, string>>;
const location = 's3:https://host/bucket';
const settingsOf = (options: Environment, env: Environment = {}, at = location): S3Settings =>
  s3Opening(at, { ...plainAccess(env), options: Object.entries(options) }, { upload: null, download: null })
    .settings;
const refused = (code: ErrorCode, said: RegExp) => (error: unknown) =>
  hasCode(error, code) && said.test(error.message);

const keys = { AWS_ACCESS_KEY_ID: 'ID', AWS_SECRET_ACCESS_KEY: 'SECRET' };

describe('settings of S3', () => {
  test('take credentials from the environment as restic does', () => {
    const own = { accessKeyId: 'ID', secretAccessKey: 'SECRET' };
    assert.deepEqual(settingsOf({}, keys).credentials, own);
    assert.deepEqual(settingsOf({}, { ...keys, AWS_SESSION_TOKEN: 'T' }).credentials, {
      ...own,
      sessionToken: 'T',
    });
    assert.deepEqual(settingsOf({}, { MINIO_ACCESS_KEY: 'ID', MINIO_SECRET_KEY: 'SECRET' }).credentials, own);
    assert.equal(settingsOf({}).credentials, null, 'the SDK looks further');
    assert.equal(settingsOf({ 's3.profile': 'other' }, keys).credentials, null);
    assert.equal(settingsOf({ 's3.unsafe-anonymous-auth': 'true' }, keys).credentials, 'anonymous');
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
      assert.throws(() => settingsOf({}, { [name]: 'half' }), refused('storage-credentials', /is set but/));
  });

  test('take the region from options, the host, then the environment', () => {
    const env = { AWS_DEFAULT_REGION: 'eu-north-1' };
    const at = 's3:s3.eu-west-1.amazonaws.com/bucket';
    assert.equal(settingsOf({ 's3.region': 'us-east-2' }, env, at).region, 'us-east-2');
    assert.equal(settingsOf({}, env, at).region, 'eu-west-1');
    assert.equal(settingsOf({}, env).region, 'eu-north-1');
    assert.equal(settingsOf({}).region, null);
  });

  test('take the last of what is given twice', () => {
    const access = {
      ...plainAccess({}),
      options: [
        ['s3.region', 'a'],
        ['s3.region', 'b'],
      ] as const,
    };
    assert.equal(s3Opening(location, access, { upload: null, download: null }).settings.region, 'b');
  });

  test('refuse options that are not known, or whose value makes no sense', () => {
    assert.throws(() => settingsOf({ 's3.regoin': 'x' }), refused('usage', /did you mean s3\.region/));
    assert.throws(() => settingsOf({ 's3.connections': '0' }), refused('usage', /at least 1/));
    assert.throws(() => settingsOf({ 's3.retry-for': 'long' }), refused('usage', /a duration/));
    assert.throws(() => settingsOf({ 's3.sse': 'rot13' }), refused('usage', /AES256/));
    assert.throws(
      () => settingsOf({ 's3.sse': 'AES256', 's3.sse-kms-key': 'k' }),
      refused('usage', /aws:kms/),
    );
    settingsOf({ 'rest.connections': 'x' }); // of another storage
  });

  test('take a key for encryption by reference only', () => {
    const key = Buffer.alloc(32, 7);
    const references = [
      `file:${fileOf('raw', key)}`,
      `file:${fileOf('base64', `${key.toString('base64')}\n`)}`,
      'env:KEY',
    ];
    for (const reference of references) {
      const { encryption } = settingsOf({ 's3.sse-c-key': reference }, { KEY: key.toString('base64') });
      assert.ok(encryption.kind === 'customer' && key.equals(encryption.key), reference);
    }
    const itself = key.toString('base64');
    assert.throws(
      () => settingsOf({ 's3.sse-c-key': itself }),
      (error) => hasCode(error, 'usage') && !error.message.includes(itself),
    );
    assert.throws(() => settingsOf({ 's3.sse-c-key': 'env:ABSENT' }), refused('secret-missing', /32 bytes/));
  });

  test('read certificates, and say which cannot be read', () => {
    const certificate = fileOf('ca.pem', '-----BEGIN CERTIFICATE-----\n');
    const withFiles = (path: string) =>
      s3Opening(location, { ...plainAccess({}), authorityFiles: [path] }, { upload: null, download: null })
        .settings;
    assert.equal(withFiles(certificate).authorities.length, 1);
    assert.throws(() => withFiles(join(folder, 'absent')), refused('usage', /cannot read authorities/));
    assert.throws(() => withFiles(fileOf('empty', '')), refused('usage', /no certificate in PEM/));
  });
});
