import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownTags } from './shown-tags.ts';

test('tags of users are shown as they are', () => {
  assert.deepEqual(shownTags(['nightly', 'keep=1', 'lifeboat:type=mine']), [
    'nightly',
    'keep=1',
    'lifeboat:type=mine',
  ]);
});

test('of the tags of a source one cell says what matters', () => {
  const physical = [
    'nightly',
    'lifeboat:source=app-db',
    'lifeboat:kind=postgres-physical',
    'lifeboat:type=incremental',
    'lifeboat:system=7412345678901234567',
    'lifeboat:timeline=1',
    'lifeboat:start-lsn=0/2000028',
    'lifeboat:stop-lsn=0/2000100',
    'lifeboat:stop-time=2026-11-20T14:03:11.000Z',
  ];
  assert.deepEqual(shownTags(physical), ['app-db physical incremental', 'nightly']);
  assert.deepEqual(shownTags(['lifeboat:source=app-db', 'lifeboat:kind=postgres-logical']), [
    'app-db logical',
  ]);
  assert.deepEqual(shownTags(['lifeboat:source=etc', 'x']), ['etc', 'x']);
});
