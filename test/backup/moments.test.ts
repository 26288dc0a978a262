import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { errnoOf } from '../../src/core/errors.ts';
import type { BackupReport, BackupRequest } from '../../src/engine/backup/backup.ts';
import type { TreeNode } from '../../src/model/node.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { backUp } from '../repositories/backup.ts';
import { testPassword } from '../repositories/cheap.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('moments');
});
afterEach(() => sandbox.remove());

const at = (name: string): string => join(sandbox.source, name);

interface Outcome {
  readonly report: BackupReport;
  readonly entries: Map<string, TreeNode>;
  /** Codes of what was reported, by name. */
  readonly problems: Readonly<Record<string, string>>;
  content(name: string): Promise<string>;
}

/** Backs up; `seen` runs once for each entry, between the look of the walk and all that follows. */
async function backUpWith(seen: (name: string) => void, more: Partial<BackupRequest> = {}): Promise<Outcome> {
  const problems: Record<string, string> = {};
  const repository = await openRepository(localStorage(sandbox.repository), testPassword);
  const report = await backUp(repository, sandbox.source, {
    selection: {
      keepPath: () => true,
      keepEntry(path) {
        seen(path.slice(sandbox.source.length + 1));
        return true;
      },
    },
    events: {
      problem(path, error) {
        problems[path.slice(sandbox.source.length + 1)] = errnoOf(error);
      },
    },
    ...more,
  });
  const snapshot = (await sandbox.snapshots()).find(({ id }) => id === report.snapshotId)!;
  const entries = await sandbox.entries(snapshot, sandbox.source);
  const content = async (name: string): Promise<string> => String(await sandbox.contentOf(entries.get(name)));
  return { report, entries, problems, content };
}

/** Does something when an entry has been looked at, once. */
function when(name: string, act: () => void): (seen: string) => void {
  let done = false;
  return (seen) => {
    if (done || seen !== name) return;
    done = true;
    act();
  };
}

describe('a file that is looked at and then', () => {
  beforeEach(() => {
    sandbox.write('a', 'first');
    sandbox.write('z', 'last');
  });

  test('removed is left out, as if it had been gone before', async () => {
    const { entries, problems, report } = await backUpWith(when('a', () => rmSync(at('a'))));
    assert.deepEqual([...entries.keys()], ['z']);
    assert.deepEqual(problems, {});
    assert.equal(report.summary.total_files_processed, 1);
  });

  test('removed is reported where the user named it', async () => {
    const source = { paths: ['a', 'z'].map((name) => bytesOfText(at(name))) };
    const problems: string[] = [];
    const events = {
      parent: () => rmSync(at('z'), { force: true }),
      problem: (path: string, error: unknown) => void problems.push(`${path} ${errnoOf(error)}`),
    };
    const { entries } = await backUpWith(() => {}, { source, events });
    assert.deepEqual(problems, [`${at('z')} ENOENT`]);
    assert.deepEqual([...entries.keys()], ['a']);
  });

  for (const [what, change, wanted] of [
    ['written anew', () => writeFileSync(at('a'), 'second'), 'second'],
    ['appended to', () => appendFileSync(at('a'), ', second'), 'first, second'],
    ['cut to nothing', () => truncateSync(at('a')), ''],
    ['grown large', () => writeFileSync(at('a'), 'x'.repeat(1_500_000)), 'x'.repeat(1_500_000)],
    ['touched', () => utimesSync(at('a'), 5, 5), 'first'],
    ['replaced by another file', () => renameSync(at('z'), at('a')), 'last'],
  ] as const)
    test(`${what} is stored as it is then, with its times of then`, async () => {
      const { entries, problems, content } = await backUpWith(when('a', change));
      assert.deepEqual(problems, {});
      assert.equal(await content('a'), wanted);
      assert.equal(Number(entries.get('a')!.size ?? 0), wanted.length);
      // The times belong to the content: nothing is read a second time.
      const again = await backUpWith(() => {});
      assert.equal(again.report.summary.files_changed, 0);
      assert.equal(await again.content('a'), wanted);
    });

  for (const [what, change, type] of [
    ['a symbolic link', () => symlinkSync('z', at('a')), 'symlink'],
    ['a fifo', () => execFileSync('mkfifo', [at('a')]), 'fifo'],
  ] as const)
    test(`replaced by ${what} is stored as that`, { timeout: 20_000 }, async () => {
      const replace = (): void => {
        rmSync(at('a'));
        change();
      };
      const { entries, problems } = await backUpWith(when('a', replace));
      assert.deepEqual(problems, {});
      assert.equal(entries.get('a')!.type, type);
      assert.equal(entries.get('z')!.type, 'file');
    });

  test('replaced by a folder is reported', async () => {
    const replace = (): void => {
      rmSync(at('a'));
      mkdirSync(at('a'));
    };
    const { entries, problems } = await backUpWith(when('a', replace));
    assert.deepEqual(Object.keys(problems), ['a']);
    assert.deepEqual([...entries.keys()], ['z']);
  });

  test('replaced by an endless device is not read', {
    skip: process.getuid?.() !== 0 && 'needs root',
    timeout: 20_000,
  }, async () => {
    for (const size of [5, 700_000]) {
      rmSync(at('a'), { force: true });
      sandbox.write('a', 'x'.repeat(size));
      const replace = (): void => {
        rmSync(at('a'));
        execFileSync('mknod', [at('a'), 'c', '1', '5']);
      };
      const { entries, problems } = await backUpWith(when('a', replace));
      assert.deepEqual(problems, {});
      assert.equal(entries.get('a')!.type, 'chardev');
    }
  });
});

describe('a large file that is looked at and then', () => {
  const large = 33 * 2 ** 20;
  beforeEach(() => {
    sandbox.write('large', '');
    truncateSync(at('large'), large);
    sandbox.write('z', 'last');
  });

  for (const workers of [1, 2]) {
    test(`appended to is stored as it is then, by ${workers} worker(s)`, async () => {
      const { entries, problems } = await backUpWith(
        when('large', () => appendFileSync(at('large'), 'more')),
        { workers },
      );
      assert.deepEqual(problems, {});
      assert.equal(entries.get('large')!.size, large + 4);
      const again = await backUpWith(() => {}, { workers });
      assert.equal(again.report.summary.files_changed, 0);
    });

    test(`removed is left out, by ${workers} worker(s)`, async () => {
      const { entries, problems } = await backUpWith(
        when('large', () => rmSync(at('large'))),
        { workers },
      );
      assert.deepEqual(problems, {});
      assert.deepEqual([...entries.keys()], ['z']);
    });

    test(`replaced by a fifo is stored as that, by ${workers} worker(s)`, { timeout: 20_000 }, async () => {
      const replace = (): void => {
        rmSync(at('large'));
        execFileSync('mkfifo', [at('large')]);
      };
      const { entries, problems } = await backUpWith(when('large', replace), { workers });
      assert.deepEqual(problems, {});
      assert.equal(entries.get('large')!.type, 'fifo');
    });
  }
});

describe('a folder that is looked at and then', () => {
  beforeEach(() => {
    sandbox.write('folder/a', 'a');
    sandbox.write('z', 'last');
  });

  test('removed is left out', async () => {
    const { entries, problems } = await backUpWith(
      when('folder', () => rmSync(at('folder'), { recursive: true })),
    );
    assert.deepEqual(problems, {});
    assert.deepEqual([...entries.keys()], ['z']);
  });

  test('replaced by another folder is saved as that', async () => {
    const replace = (): void => {
      renameSync(at('folder'), at('old'));
      sandbox.write('folder/b', 'b');
    };
    const { entries, problems } = await backUpWith(when('folder', replace));
    assert.deepEqual(problems, {});
    assert.deepEqual([...entries.keys()], ['folder', 'folder/b', 'z']);
  });

  test('replaced by a link out of the backup is not followed', async () => {
    sandbox.write('z', 'last');
    const elsewhere = sandbox.path('elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'secret'), 'secret');
    const replace = (): void => {
      rmSync(at('folder'), { recursive: true });
      symlinkSync(elsewhere, at('folder'));
    };
    const { entries, problems } = await backUpWith(when('folder', replace));
    assert.deepEqual(problems, {});
    assert.equal(entries.get('folder')!.type, 'symlink');
    assert.ok(![...entries.keys()].some((name) => name.includes('secret')));
  });
});

describe('a file with several names', () => {
  const names = ['a', 'b', 'c/d'];
  const content = randomBytes(40_000).toString('hex');
  beforeEach(() => {
    sandbox.write('a', content);
    mkdirSync(at('c'));
    for (const name of names.slice(1)) linkSync(at('a'), at(name));
    sandbox.write('z', 'last');
  });

  test('is read once, and all its names have the content', async () => {
    const { entries, report, content: read } = await backUpWith(() => {});
    for (const name of names) {
      assert.equal(await read(name), content);
      assert.equal(entries.get(name)!.links, 3);
      assert.equal(entries.get(name)!.inode, entries.get('a')!.inode);
    }
    assert.equal(report.summary.data_blobs, 2);
    assert.equal(report.summary.total_files_processed, 4);
  });

  test('has it where its first name is left out', async () => {
    const { entries, content: read } = await backUpWith(() => {}, {
      selection: { keepPath: (path) => !path.endsWith('/a'), keepEntry: () => true },
    });
    assert.deepEqual([...entries.keys()], ['b', 'c', 'c/d', 'z']);
    assert.equal(await read('b'), content);
    assert.equal(await read('c/d'), content);
  });

  test('has it where its first name vanishes before it is read', async () => {
    const { entries, problems, content: read } = await backUpWith(when('z', () => rmSync(at('a'))));
    assert.deepEqual(problems, {});
    assert.deepEqual([...entries.keys()], ['b', 'c', 'c/d', 'z']);
    for (const name of ['b', 'c/d']) assert.equal(await read(name), content);
  });

  test('is read again for names that are met after it changed', async () => {
    await backUpWith(when('b', () => writeFileSync(at('a'), 'second')));
    const { report, content: read } = await backUpWith(() => {});
    for (const name of names) assert.equal(await read(name), 'second', name);
    assert.equal(report.summary.files_changed, 0);
  });

  test('has it in several targets', async () => {
    const paths = ['c', 'z', 'b', 'a'].map((name) => bytesOfText(at(name)));
    const { content: read } = await backUpWith(() => {}, { source: { paths } });
    for (const name of names) assert.equal(await read(name), content);
  });
});
