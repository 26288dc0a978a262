import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { noteKnown, readKnown, stateFolder } from './known-repositories.ts';

const home = mkdtempSync(join(tmpdir(), 'known-'));
after(() => rmSync(home, { recursive: true, force: true }));
const env = { XDG_STATE_HOME: home };
const verified = { at: '2026-01-02T03:04:05Z', extent: 'all', errors: 0, snapshots: 3 } as const;
const source = { snapshots: 2, newest: '2026-01-02T03:04:05Z', journalUntil: null };

describe('what is known of a repository', () => {
  test('is nothing at first, and then what was noted, each fact until it is noted anew', async () => {
    assert.equal(await readKnown('/a', env), null);
    await noteKnown('/a', '/a', { verified }, env);
    await noteKnown('/a', '/a', { seenAt: '2026-02-01T00:00:00Z', sources: { db: source } }, env);
    await noteKnown('/a', '/a', { sources: { files: source } }, env);
    assert.deepEqual(await readKnown('/a', env), {
      version: 1,
      location: '/a',
      repository: null,
      seenAt: '2026-02-01T00:00:00Z',
      sources: { db: source, files: source },
      verified,
    });
    assert.equal(await readKnown('/b', env), null);
  });

  test('lies in files of this user only, with nothing left beside them', () => {
    const folder = join(stateFolder(env), 'repositories');
    const names = readdirSync(folder);
    assert.deepEqual(
      names.filter((name) => !name.endsWith('.json')),
      [],
    );
    assert.equal(statSync(join(folder, names[0]!)).mode & 0o077, 0);
    assert.equal(statSync(folder).mode & 0o077, 0);
  });

  test('is nothing where the file holds something else, and noted anew', async () => {
    const folder = join(stateFolder(env), 'repositories');
    const path = join(folder, readdirSync(folder)[0]!);
    for (const content of [
      '',
      '{',
      '[]',
      '{"version":2,"location":"/a"}',
      '{"version":1,"location":"/a","sources":{"a":{}}}',
    ]) {
      writeFileSync(path, content);
      assert.equal(await readKnown('/a', env), null, content);
    }
    await noteKnown('/a', '/a', { verified }, env);
    assert.deepEqual((await readKnown('/a', env))?.verified, verified);
  });
});

test('state lies where the system wants it', () => {
  assert.equal(stateFolder({ XDG_STATE_HOME: '/x' }), '/x/lifeboat');
  assert.equal(stateFolder({ HOME: '/h' }, false), '/h/.local/state/lifeboat');
  assert.equal(stateFolder({ HOME: '/root', XDG_STATE_HOME: 'relative' }, true), '/var/lib/lifeboat/state');
});
