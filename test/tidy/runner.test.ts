import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { allowedSkips, unexplained } from '../../scripts/test/skips.ts';
import { systemPackages } from '../../scripts/test/system-packages.ts';
import { read } from './sources.ts';

describe('the test runner', () => {
  test('takes the reasons for skipping from the list in test/README.md', () => {
    const readme =
      '# Tests\n\n## Allowed skips\n\nText.\n\n- `needs root`: why.\n- `soak only`: why.\n\n## Next\n\n- `not this`';
    assert.deepEqual(allowedSkips(readme), ['needs root', 'soak only']);
    assert.ok(allowedSkips().includes('needs root'));
  });

  test('lets a skip pass only with such a reason, to which it may add', () => {
    const skipped = [
      { name: 'a', reason: 'needs root' },
      { name: 'b', reason: 'needs root: chown' },
      { name: 'c', reason: '' },
      { name: 'd', reason: 'flaky' },
    ];
    assert.deepEqual(
      unexplained(skipped, ['needs root']).map(({ name }) => name),
      ['c', 'd'],
    );
  });

  test('installs what test/README.md lists', () => {
    const listed = [...read('test/README.md').matchAll(/^\| `([^`]+)` \| (?!Lifeboat)/gm)].map(
      (match) => match[1],
    );
    for (const { name } of systemPackages) assert.ok(listed.includes(name), `${name} is not in the table`);
  });
});

describe('the published package', () => {
  test('runs no install script and pins every runtime to one version', () => {
    const manifest = JSON.parse(read('package.json')) as {
      scripts: Record<string, string>;
      optionalDependencies: Record<string, string>;
      dependencies?: Record<string, string>;
    };
    for (const script of ['preinstall', 'install', 'postinstall'])
      assert.ok(!(script in manifest.scripts), script);
    assert.equal(new Set(Object.values(manifest.optionalDependencies)).size, 1);
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { hasInstallScript?: boolean; dev?: boolean; optional?: boolean }>;
    };
    const scripted = Object.entries(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript && !entry.dev)
      .map(([path]) => path);
    assert.deepEqual(scripted, []);
  });

  test('is started by bin/lifeboat on each of those runtimes', () => {
    const { optionalDependencies } = JSON.parse(read('package.json')) as {
      optionalDependencies: Record<string, string>;
    };
    for (const name of Object.keys(optionalDependencies))
      assert.ok(read('bin/lifeboat').includes(name), name);
  });
});
