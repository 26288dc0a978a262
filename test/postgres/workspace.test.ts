import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCluster } from './cluster.ts';
import { missingServer } from './programs.ts';
import { createWorkspace } from './workspace.ts';

test('a workspace has a configuration that is valid and names its repository', {
  skip: missingServer('debian'),
}, async (t) => {
  const cluster = await createCluster();
  t.after(() => cluster.destroy());
  const workspace = await createWorkspace({ cluster, journal: { 'max-lag': '1s' } });
  t.after(() => workspace.destroy());

  const validated = await workspace.lifeboat(['config', 'validate']);
  assert.equal(validated.status, 0, validated.stderr);
  assert.match(validated.stdout, /app-db {2}postgres, physical, journal at most 1s behind → local/);
  const listed = await workspace.lifeboat(['snapshots', '--json']);
  assert.deepEqual([listed.status, listed.stdout.trim()], [0, '[]'], listed.stderr);
});
