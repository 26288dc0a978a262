import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseConfiguration } from '../../src/app/configuration/parse.ts';
import { isLocal, locationProblem, schemeOf, schemeRefusal } from '../../src/app/location.ts';
import { commandGroups } from '../../src/cli/command-table.ts';

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');

describe('README.md', () => {
  test('shows a location of each kind of storage that can be reached', () => {
    const table = readme.slice(readme.indexOf('| storage | `-r` |'));
    const locations = [
      ...table.slice(table.indexOf('\n| ---'), table.indexOf('\n\n')).matchAll(/\| `([^`]+)` \|$/gm),
    ].map(([, location]) => location!);
    assert.deepEqual(
      locations.map((location) => (isLocal(location) ? null : schemeOf(location))),
      [null, 's3', 'azure', 'gs', 'sftp', 'rest'],
    );
    for (const location of locations)
      assert.equal(schemeRefusal(location) ?? locationProblem(location), null, location);
  });

  test('shows configurations that are understood', () => {
    const files = [...readme.matchAll(/```yaml\n(.*?)```/gs)];
    assert.ok(files.length >= 2);
    for (const [, text] of files) {
      const { problems } = parseConfiguration(text!, { path: '/etc/lifeboat/lifeboat.yaml', home: '/root' });
      assert.deepEqual(problems, []);
    }
  });

  test('names every command', () => {
    const named = new Set([...readme.matchAll(/`([a-z]+)[^`]*`/g)].map(([, name]) => name));
    const names = commandGroups.flatMap(({ members }) => Object.keys(members));
    const silent = names.filter((name) => !named.has(name));
    assert.deepEqual(silent, ['help', 'version']);
  });
});
