import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfiguration } from './parse.ts';

const place = { path: '/etc/lifeboat/lifeboat.yaml', home: '/home/user' };
const parsed = (repository: string) =>
  parseConfiguration(`version: 1\nrepositories: { a: { ${repository}, password: env:X } }`, place);
const understood = (repository: string) => {
  const { configuration, problems } = parsed(repository);
  assert.deepEqual(problems, []);
  const { location, options } = configuration!.repositories.a!;
  return { location, options };
};

describe('a repository in a cloud', () => {
  it('on Azure is a container with options, and paths of secrets begin at the file', () => {
    assert.deepEqual(
      understood(
        'azure: { account: acme, container: backups, prefix: prod, account-key: "file:azure.key", access-tier: Cool, connections: 8 }',
      ),
      {
        location: 'azure:backups:/prod',
        options: {
          'azure.account': 'acme',
          'azure.account-key': 'file:/etc/lifeboat/azure.key',
          'azure.access-tier': 'Cool',
          'azure.connections': '8',
        },
      },
    );
  });

  it('of Google is a bucket with options, and the path of its credentials begins at the file', () => {
    assert.deepEqual(
      understood('gs: { bucket: acme-backups, credentials: gcs.json, storage-class: NEARLINE }'),
      {
        location: 'gs:acme-backups:/',
        options: { 'gs.credentials': '/etc/lifeboat/gcs.json', 'gs.storage-class': 'NEARLINE' },
      },
    );
  });

  it('is refused where a secret stands in the file, a name cannot be one, or Object Lock is asked for', () => {
    for (const [repository, said] of [
      ['azure: { account: a, container: backups, account-key: a2V5 }', /a reference to a secret/],
      ['azure: { account: a, container: Backups }', /lower-case letters/],
      ['azure: { container: backups }', /the name of a storage account/],
      ['azure: { account: a, container: backups, access-tier: cool }', /Hot, Cool, Cold or Archive/],
      ['gs: { bucket: "a/b" }', /lower-case letters/],
      ['gs: { bucket: abc }, azure: { account: a, container: backups }', /expected one of path/],
      ['gs: { bucket: abc }, immutability: { mode: governance, for: 1d }', /which gs does not have/],
      ['path: "azure:backups"', /no second colon/],
    ] as const)
      assert.match(
        parsed(repository)
          .problems.map(({ message }) => message)
          .join(),
        said,
        repository,
      );
  });
});
