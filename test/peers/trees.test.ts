import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { makeOddFiles, makeOddLinks } from '../interop/odd-files.ts';
import { assertSameTrees } from '../interop/restic-trees.ts';

const restic = process.env.LIFEBOAT_TEST_RESTIC ?? '';

test('trees of files of every kind are those of the newest restic', {
  skip: restic === '' && 'peer missing',
}, async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'trees-'));
  try {
    const folder = join(scratch, 'odd');
    await makeOddFiles(bytesOfText(folder));
    makeOddLinks(bytesOfText(folder));
    assert.equal(assertSameTrees(restic, join(scratch, 'repository'), folder), 3);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
