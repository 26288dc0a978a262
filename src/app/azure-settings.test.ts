import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { azureOpening } from './azure-settings.ts';
import { plainAccess, type StorageAccess } from './storage-access.ts';

const account = { AZURE_ACCOUNT_NAME: 'acme' };
const opened = (
  location: string,
  env: StorageAccess['env'],
  options: StorageAccess['options'] = [],
  more: Partial<StorageAccess> = {},
) =>
  azureOpening(location, { ...plainAccess(env), options, ...more }, { upload: null, download: null })
    .settings;

describe('settings of Azure', () => {
  test('read locations as restic does', () => {
    for (const [location, container, prefix] of [
      ['azure:backups:/', 'backups', ''],
      ['azure:backups:', 'backups', ''],
      ['azure:backups:/prod/', 'backups', 'prod'],
      ['azure:backups:prod//app', 'backups', 'prod/app'],
    ] as const) {
      const settings = opened(location, account);
      assert.deepEqual([settings.container, settings.prefix], [container, prefix], location);
    }
    for (const wrong of ['azure:backups', 'azure::/x', 'azure:Upper:/x', 'azure:a/b:/x', 'azure:con:../x'])
      assert.throws(
        () => opened(wrong, account),
        (error) => hasCode(error, 'usage'),
        wrong,
      );
  });

  test('find the server by the account, in another cloud or at another address', () => {
    const of = (env: StorageAccess['env'], options: StorageAccess['options'] = []) =>
      opened('azure:con:/', env, options).endpoint;
    assert.equal(of(account), 'https://acme.blob.core.windows.net');
    const china = { ...account, AZURE_ENDPOINT_SUFFIX: 'core.chinacloudapi.cn' };
    assert.equal(of(china), 'https://acme.blob.core.chinacloudapi.cn');
    assert.equal(of(account, [['azure.endpoint', 'http://host:1/acme/']]), 'http://host:1/acme');
    assert.equal(of({}, [['azure.account', 'other']]), 'https://other.blob.core.windows.net');
    assert.throws(
      () => of({}),
      (error) => hasCode(error, 'storage-credentials'),
    );
    assert.throws(() => of(account, [['azure.endpoint', 'https://me:pw@host']]), /without credentials/);
  });

  test('take a key, a signature, then what the library finds, and hide what is secret', async () => {
    const hidden: string[] = [];
    const of = (env: StorageAccess['env'], options: StorageAccess['options'] = []) =>
      opened('azure:con:/', { ...account, ...env }, options, { hide: (secret) => hidden.push(secret) })
        .credentials;
    const key = of({ AZURE_ACCOUNT_KEY: 'a2V5', AZURE_ACCOUNT_SAS: 'sig=x' });
    assert.equal(key.kind === 'key' && (await key.key()), 'a2V5');
    const sas = of({ AZURE_ACCOUNT_SAS: '?sv=1&sig=c2ln%3D' });
    assert.equal(sas.kind === 'sas' && (await sas.signature()), '?sv=1&sig=c2ln%3D');
    assert.deepEqual(hidden, ['a2V5', '?sv=1&sig=c2ln%3D', 'c2ln=']);
    const referred = of({ AZURE_ACCOUNT_KEY: 'a2V5', OTHER: 'b3RoZXI=' }, [
      ['azure.account-key', 'env:OTHER'],
    ]);
    assert.equal(referred.kind === 'key' && (await referred.key()), 'b3RoZXI=');
    assert.throws(() => of({}, [['azure.account-key', 'a2V5']]), /never the secret itself/);
    assert.equal(of({}).kind, 'default');
    assert.equal(of({ AZURE_FORCE_CLI_CREDENTIAL: 'true' }).kind, 'cli');
    assert.equal(of({ AZURE_FORCE_CLI_CREDENTIAL: 'perhaps' }).kind, 'default');
  });

  test('take tiers in any case, and refuse what is none', () => {
    const tierOf = (tier: string) => opened('azure:con:/', account, [['azure.access-tier', tier]]).tier;
    assert.equal(tierOf('archive'), 'Archive');
    assert.equal(opened('azure:con:/', account).tier, null);
    assert.throws(() => tierOf('Freezing'), /expected one of Hot, Cool, Cold, Archive/);
    assert.throws(() => opened('azure:con:/', account, [['azure.conections', '2']]), /azure\.connections\?/);
  });
});
