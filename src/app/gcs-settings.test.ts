import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { gcsOpening } from './gcs-settings.ts';
import { plainAccess, type StorageAccess } from './storage-access.ts';

const opened = (
  location: string,
  env: StorageAccess['env'] = {},
  options: StorageAccess['options'] = [],
  more: Partial<StorageAccess> = {},
) => gcsOpening(location, { ...plainAccess(env), options, ...more }).settings;

describe('settings of Google Cloud Storage', () => {
  test('read locations as restic does', () => {
    for (const [location, bucket, prefix] of [
      ['gs:acme-backups:/', 'acme-backups', ''],
      ['gs:acme.example.org:/prod/', 'acme.example.org', 'prod'],
      ['gs:acme_backups:prod//app', 'acme_backups', 'prod/app'],
    ] as const) {
      const settings = opened(location);
      assert.deepEqual([settings.bucket, settings.prefix], [bucket, prefix], location);
    }
    for (const wrong of ['gs:bucket', 'gs::/x', 'gs:Upper:/x', 'gs:a/b:/x', 'gs:bucket:../x'])
      assert.throws(
        () => opened(wrong),
        (error) => hasCode(error, 'usage'),
        wrong,
      );
  });

  test('take a file, a token, then what the library finds, and hide the token', () => {
    const hidden: string[] = [];
    const of = (env: StorageAccess['env'], options: StorageAccess['options'] = []) =>
      opened('gs:bucket:/', env, options, { hide: (secret) => hidden.push(secret) }).credentials;
    const token = { GOOGLE_ACCESS_TOKEN: 'ya29' };
    assert.deepEqual(of(token, [['gs.credentials', '/key.json']]), { kind: 'file', path: '/key.json' });
    assert.deepEqual(of(token), { kind: 'token', token: 'ya29' });
    assert.deepEqual(of({ GOOGLE_APPLICATION_CREDENTIALS: '/key.json' }), { kind: 'default' });
    assert.deepEqual(hidden, ['ya29']);
  });

  test('ask an emulator where one is named, without credentials', () => {
    const emulator = { STORAGE_EMULATOR_HOST: 'localhost:4443' };
    const { endpoint, credentials } = opened('gs:bucket:/', emulator);
    assert.deepEqual([endpoint, credentials.kind], ['http://localhost:4443', 'anonymous']);
    const own = opened('gs:bucket:/', emulator, [['gs.endpoint', 'https://storage.example.org/']]);
    assert.deepEqual([own.endpoint, own.credentials.kind], ['https://storage.example.org', 'default']);
    assert.equal(opened('gs:bucket:/').endpoint, 'https://storage.googleapis.com');
  });

  test('know where a bucket is made and in which class its objects are', () => {
    const { project, region, storageClass } = opened('gs:bucket:/', { GOOGLE_PROJECT_ID: 'acme' }, [
      ['gs.region', 'europe-west1'],
      ['gs.storage-class', 'nearline'],
    ]);
    assert.deepEqual([project, region, storageClass], ['acme', 'europe-west1', 'NEARLINE']);
    assert.throws(() => opened('gs:b:/', {}, [['gs.storage-class', 'GLACIER']]), /COLDLINE/);
  });
});
