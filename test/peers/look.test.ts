import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeSample, runOn, type Sample } from '../cli/sample.ts';
import { missing, newestRestic, run } from '../programs.ts';

/** Texts and JSON of the newest restic, byte for byte. IDs are those of the sample's snapshots, oldest first. */
const cases: readonly string[] = [
  'snapshots',
  'snapshots --compact',
  'snapshots --json',
  'snapshots --latest 1',
  'snapshots ID1 ID0',
  'ls ID0',
  'ls -l --human-readable ID0',
  'ls --json ID1',
  'ls --ncdu ID0',
  'ls -s size -l ID0',
  'ls --sort extension --reverse --json ID1',
  'ls --json ID0 /tmp',
  'find *.txt',
  'find --json *.txt link',
  'find -l -R -i SUB',
  'find --tree --json ID0',
  'diff ID0 ID1',
  'diff --metadata --json ID1 ID2',
  'cat config',
  'cat masterkey',
  'cat snapshot ID0',
  'key list',
  'key list --json',
  'stats --json',
  'stats --json --mode files-by-contents',
  'stats --json --mode blobs-per-file',
  'stats --json --mode raw-data',
];

const scratch = mkdtempSync(join(tmpdir(), 'look-peers-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('prints what the newest restic prints', { skip: missing(newestRestic) }, () => {
  let sample: Sample;
  before(async () => {
    sample = await makeSample(scratch);
  });

  for (const line of cases) {
    test(line, async () => {
      const words = line
        .split(' ')
        .map((word) => word.replace(/^ID(\d)$/, (_, i) => sample.snapshots[i] ?? ''));
      const args = ['--no-lock', ...words];
      const theirs = await run(newestRestic, args, { repository: sample.repository });
      const ours = await runOn(sample.repository, args);
      assert.equal(ours.stdout, theirs.stdout);
      assert.equal(ours.status, theirs.status);
    });
  }
});
