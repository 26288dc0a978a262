import { chdir, cwd } from 'node:process';
import { after, before, describe, test } from 'node:test';
import { assertSameAsRestic, makeFolder, sameAsNewestRestic } from '../backup/same-as-restic.ts';
import { createSandbox, type Sandbox } from '../backup/sandbox.ts';
import { missing, newestRestic } from '../programs.ts';

let sandbox: Sandbox;
const started = cwd();
before(async () => {
  sandbox = await createSandbox('same');
  makeFolder(sandbox.source);
  chdir(sandbox.path(''));
});
after(() => {
  chdir(started);
  sandbox.remove();
});

describe('a backup finds what the newest restic finds, and makes the same trees of it', {
  concurrency: 4,
  skip: missing(newestRestic),
}, () => {
  for (const line of sameAsNewestRestic)
    test(`backup ${line.join(' ')}`, () => assertSameAsRestic(sandbox, newestRestic, line));
});
