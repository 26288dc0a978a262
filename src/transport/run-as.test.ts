import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { runTool } from './run-tool.ts';

const entry = readFileSync('/etc/passwd', 'utf8')
  .split('\n')
  .map((line) => line.split(':'))
  .find(([each]) => each === 'postgres');
const skip =
  (process.getuid?.() !== 0 && 'needs root') ||
  (!existsSync('/usr/bin/setpriv') && 'needs setpriv') ||
  (!entry && 'needs an account');

describe('a program run as another account', { skip }, () => {
  test('has all groups of that account', async () => {
    const [user = '', , uid, gid] = entry!;
    const account = { uid: Number(uid), gid: Number(gid) };
    const groups = (text: string): string[] => text.trim().split(' ').sort();
    const { stdout } = await runTool({ program: '/usr/bin/id', args: ['-G'], account, cwd: '/' });
    assert.deepEqual(
      groups(stdout.toString()),
      groups(execFileSync('id', ['-G', user], { encoding: 'utf8' })),
    );
    const own = await runTool({ program: '/usr/bin/id', args: ['-u'], account, cwd: '/' });
    assert.equal(own.stdout.toString().trim(), uid);
  });

  test('has the one group given where the account is not known', async () => {
    const account = { uid: 54_321, gid: 54_321 };
    const { stdout } = await runTool({ program: '/usr/bin/id', args: ['-G'], account, cwd: '/' });
    assert.equal(stdout.toString().trim(), '54321');
  });
});
