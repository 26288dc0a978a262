import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { type JsonObject, json, password, succeed, systemRestic } from '../programs.ts';
import { cheapen } from '../repositories/cheapen.ts';

/** A repository with three snapshots of a small folder that changes between them, made by the system's restic. */
export interface Sample {
  readonly repository: string;
  readonly folder: string;
  /** Oldest first. */
  readonly snapshots: readonly string[];
}

/** A name whose bytes are no text. */
const brokenName = Buffer.from('bad\xff\xfename', 'latin1');

export async function makeSample(scratch: string): Promise<Sample> {
  const repository = join(scratch, 'repository');
  const folder = join(scratch, 'folder');
  const at = (...names: string[]): string => join(folder, ...names);
  mkdirSync(at('dir', 'sub'), { recursive: true });
  mkdirSync(at('empty'));
  writeFileSync(at('dir', 'a.txt'), 'hello');
  writeFileSync(at('dir', 'sub', 'b.md'), 'hello again');
  writeFileSync(at('dir', 'nothing.txt'), '');
  writeFileSync(at('large.bin'), Buffer.alloc(3_000_000, 'lifeboat'));
  linkSync(at('large.bin'), at('dir', 'second-name.bin'));
  symlinkSync('a.txt', at('dir', 'link'));
  writeFileSync(at('quote"<&>\n.txt'), 'odd');
  writeFileSync(at('ünï日本.txt'), 'odd');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), brokenName]), 'odd');
  const long = at('long'.repeat(40), 'path'.repeat(40));
  mkdirSync(long, { recursive: true });
  writeFileSync(join(long, `${'file'.repeat(30)}.txt`), 'deep');
  execFileSync('mkfifo', [at('pipe')]);
  chmodSync(at('dir', 'a.txt'), 0o4755);
  chmodSync(at('empty'), 0o1777);
  utimesSync(at('dir', 'a.txt'), 1_580_702_706.25, 1_580_702_706.25);
  const longAgo = new Date(-315_619_200_000);
  utimesSync(at('dir', 'sub', 'b.md'), longAgo, longAgo);

  await succeed(systemRestic, ['init'], { repository });
  await cheapen(repository);
  const backUp = async (host: string, tags: string, time: string, ...paths: string[]): Promise<void> => {
    const options = ['--quiet', '--host', host, '--tag', tags, '--time', time];
    await succeed(systemRestic, ['backup', ...options, ...paths], { repository });
  };
  await backUp('alpha', 'one,two', '2026-01-02 03:04:05', folder);
  writeFileSync(at('dir', 'a.txt'), 'hello, world');
  rmSync(at('large.bin'));
  mkdirSync(at('new'));
  writeFileSync(at('new', 'n'), 'n');
  rmSync(at('ünï日本.txt'));
  symlinkSync('elsewhere', at('ünï日本.txt'));
  await backUp('alpha', 'one', '2026-01-03 03:04:05', folder);
  await backUp('beta', '', '2026-01-04 03:04:05', at('dir'), at('empty'));
  const snapshots = await json<JsonObject[]>(systemRestic, ['snapshots'], { repository });
  return { repository, folder, snapshots: snapshots.map(({ id }) => String(id)) };
}

/** Runs Lifeboat in this process on a repository, at the times of the programs beside it. */
export async function runOn(
  repository: string,
  args: readonly string[],
  secret = password,
): Promise<CommandResult> {
  process.env.TZ = 'UTC';
  return runForTest(args, {
    env: { LIFEBOAT_REPOSITORY: repository, LIFEBOAT_PASSWORD: secret, TZ: 'UTC' },
  });
}

/** What Lifeboat prints where it succeeds. */
export async function printedOn(
  repository: string,
  args: readonly string[],
  secret?: string,
): Promise<string> {
  const { status, stdout, stderr } = await runOn(repository, args, secret);
  assert.equal(status, 0, `lifeboat ${args.join(' ')} ended with ${status}\n${stderr}`);
  return stdout;
}
