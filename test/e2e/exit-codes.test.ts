import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { localStorage } from '../../src/storage/local/local.ts';
import {
  type Ended,
  ended,
  lifeboat,
  type RunOptions,
  run,
  start,
  succeed,
  systemRestic,
} from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';

const scratch = mkdtempSync(join(tmpdir(), 'exit-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const repository = join(scratch, 'repository');
const at = { repository, cwd: scratch };

before(async () => {
  await createCheapRepository(localStorage(repository));
  mkdirSync(join(scratch, 'files'));
  writeFileSync(join(scratch, 'files/a'), 'a');
  await succeed(lifeboat(), ['backup', 'files'], at);
});

/** Asserts the status, and that the error says the same with --json. */
async function assertEnds(
  status: number,
  message: RegExp,
  args: readonly string[],
  options: RunOptions = at,
): Promise<void> {
  const plain = await run(lifeboat(), args, options);
  const coded = await run(lifeboat(), ['--json', ...args], options);
  assert.equal(plain.status, status, plain.stderr);
  assert.match(plain.stderr, message);
  assert.match(plain.stderr, /^ {2}hint: /m);
  assert.equal(coded.status, status);
  const error = JSON.parse(coded.stderr.trim().split('\n').at(-1) ?? '');
  assert.equal(error.message_type, 'exit_error');
  assert.equal(error.code, status);
}

/** A backup that waits for more to come on its standard input, once it holds its lock. */
async function waitingBackup(program = lifeboat()) {
  const child = start(program, ['backup', '--stdin'], at);
  const end = ended(child);
  const isLocked = (): boolean =>
    readdirSync(join(repository, 'locks')).some((name) => /^[0-9a-f]{64}$/.test(name));
  while (!isLocked()) await setTimeout(20);
  return { child, end };
}

describe('the exit status is', () => {
  test('0 where all went well', async () => {
    assert.equal((await run(lifeboat(), ['snapshots'], at)).status, 0);
    assert.equal((await run(lifeboat(), ['check'], at)).status, 0);
  });

  test('1 for what is wrong in the command or cannot be done', async () => {
    await assertEnds(1, /^Fatal: unknown command/, ['nonsense']);
    await assertEnds(1, /^Fatal: .*--nonsense/, ['snapshots', '--nonsense']);
    await assertEnds(1, /^Fatal: no repository was given/, ['snapshots'], {});
    await assertEnds(1, /^Fatal: .*none/, ['restore', 'none', '--target', 'x']);
    await assertEnds(1, /Fatal: none of the files/, ['backup', 'missing']);
    await assertEnds(1, /Fatal: .*already/, ['init']);
  });

  test('3 where a snapshot was saved without something', async () => {
    await assertEnds(3, /^missing .*skipping\nWarning: 1 item/, ['backup', 'files', 'missing', '--quiet']);
  });

  test('3 where a file could not be read', async (t) => {
    if (process.platform !== 'linux') return t.skip('needs Linux');
    // Reading its first page fails, for root too.
    await assertEnds(3, /mem.*\nWarning: 1 item/, ['backup', '/proc/self/mem', '--quiet']);
  });

  test('3 where a snapshot could not be removed', async (t) => {
    const folder = join(scratch, 'kept');
    cpSync(repository, folder, { recursive: true });
    const snapshots = join(folder, 'snapshots');
    // Permissions do not stop root.
    const isRoot = process.geteuid?.() === 0;
    const protect = (flag: '+i' | '-i'): boolean => {
      if (isRoot) return spawnSync('chattr', [flag, snapshots]).status === 0;
      chmodSync(snapshots, flag === '+i' ? 0o500 : 0o700);
      return true;
    };
    if (!protect('+i')) return t.skip('needs a filesystem that keeps files from being removed');
    try {
      const args = ['forget', '--quiet', ...readdirSync(snapshots)];
      await assertEnds(3, /^unable to remove snapshot [\s\S]*\nWarning: (\d+) of \1 snapshots/, args, {
        repository: folder,
      });
    } finally {
      protect('-i');
    }
  });

  test('10 where there is no repository', async () => {
    const nowhere = { repository: join(scratch, 'nowhere') };
    await assertEnds(10, /^Fatal: there is no repository at /, ['snapshots'], nowhere);
    await assertEnds(10, /^Fatal: there is no repository at /, ['backup', '.'], nowhere);
  });

  test('11 where another program has locked the repository, and 130 for one that is interrupted', async () => {
    for (const program of [lifeboat(), systemRestic]) {
      const { child, end } = await waitingBackup(program);
      await assertEnds(11, /^Fatal: .*lock/, ['prune']);
      assert.equal((await run(lifeboat(), ['snapshots'], at)).status, 0);
      child.kill('SIGINT');
      const { status } = await end;
      if (program.name === 'lifeboat') assert.equal(status, 130);
      child.stdin.destroy();
    }
    const { child, end } = await waitingBackup();
    assert.notEqual((await run(systemRestic, ['prune'], at)).status, 0);
    child.kill('SIGTERM');
    const { status, stderr }: Ended = await end;
    assert.equal(status, 130);
    assert.match(stderr, /^Fatal: .*interrupted/m);
    assert.deepEqual(readdirSync(join(repository, 'locks')), []);
  });

  test('12 for a wrong password', async () => {
    await assertEnds(12, /^Fatal: wrong password/, ['snapshots'], { repository, password: 'wrong' });
  });

  test('1 where check finds damage', async () => {
    const [folder] = readdirSync(join(repository, 'data')).filter(
      (name) => readdirSync(join(repository, 'data', name)).length > 0,
    );
    const [pack] = readdirSync(join(repository, 'data', folder ?? ''));
    truncateSync(join(repository, 'data', folder ?? '', pack ?? ''), 40);
    const { status, stderr } = await run(lifeboat(), ['check'], at);
    assert.equal(status, 1);
    assert.match(stderr, /Fatal: /);
  });
});
