import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { makeOddFiles } from './odd-files.ts';
import { assertSameTrees } from './restic-trees.ts';

test("trees of files of every kind are those of the system's restic, byte for byte", async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'trees-'));
  try {
    const folder = join(scratch, 'odd');
    await makeOddFiles(bytesOfText(folder));
    assert.equal(assertSameTrees('restic', join(scratch, 'repository'), folder), 3);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
