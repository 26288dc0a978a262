import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { noteKnown, readKnown } from './known-repositories.ts';
import { lookForMedium } from './removable.ts';

const folder = mkdtempSync(join(tmpdir(), 'removable-'));
after(() => rmSync(folder, { recursive: true }));
const env = { XDG_STATE_HOME: join(folder, 'state') };

describe('creating a removable repository', () => {
  const isHere = statSync(folder).dev === statSync('/').dev;
  const medium = isHere ? join(folder, 'mnt', 'repository') : '/lifeboat-test-medium/repository';

  test('on the disk of / is warned of, and refused where a medium was seen there before', async () => {
    assert.match((await lookForMedium(medium, env)) ?? '', /lies on the disk of \/: mount the medium first/);
    await noteKnown(medium, medium, { repository: 'ab'.repeat(32), seenAt: '2026-01-01T00:00:00Z' }, env);
    await assert.rejects(lookForMedium(medium, env), (error) => hasCode(error, 'repository-absent'));
  });

  test('on a disk of its own goes on, whatever was seen before', async () => {
    const mounted = '/dev/shm/lifeboat-test-medium';
    await noteKnown(mounted, mounted, { repository: 'ab'.repeat(32), seenAt: '2026-01-01T00:00:00Z' }, env);
    assert.equal(await lookForMedium(mounted, env), null);
  });
});

test('another repository at the same place does not inherit what was known of the one before', async () => {
  const verified = { at: '2026-01-01T00:00:00Z', extent: 'all', errors: 0, snapshots: 3 } as const;
  const place = join(folder, 'place');
  await noteKnown(place, place, { repository: 'ab'.repeat(32), verified }, env);
  await noteKnown(place, place, { seenAt: '2026-01-02T00:00:00Z' }, env);
  assert.deepEqual((await readKnown(place, env))?.verified, verified);
  await noteKnown(place, place, { repository: 'cd'.repeat(32), seenAt: '2026-01-03T00:00:00Z' }, env);
  assert.equal((await readKnown(place, env))?.verified, null);
});
