import { chdir, cwd } from 'node:process';
import { after, before, describe, test } from 'node:test';
import { systemRestic } from '../programs.ts';
import { assertSameAsRestic, makeFolder, sameAsRestic } from './same-as-restic.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

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

describe("a backup finds what the system's restic finds, and makes the same trees of it", {
  concurrency: 4,
}, () => {
  for (const line of sameAsRestic)
    test(`backup ${line.join(' ')}`, () => assertSameAsRestic(sandbox, systemRestic, line));
});
