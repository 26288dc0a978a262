import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { testPassword } from './repositories/cheap.ts';

/** Lifeboat, restic and rustic as programs, all told in the same way which repository to work on. */

export const password = testPassword;

export interface Ended {
  /** -1 where a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly repository?: string;
  readonly password?: string;
  /** Where copies come from; its password is the same. */
  readonly from?: string;
  readonly cwd?: string;
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Program {
  readonly name: string;
  readonly path: string;
}

/** The restic of the system. */
export const systemRestic: Program = { name: 'restic', path: 'restic' };

/** The newest of their kind; the path is empty where there is none, and its tests skip with `peer missing`. */
export const newestRestic: Program = { name: 'restic', path: process.env.LIFEBOAT_TEST_RESTIC ?? '' };
export const newestRustic: Program = { name: 'rustic', path: process.env.LIFEBOAT_TEST_RUSTIC ?? '' };

export const missing = ({ path }: Program): string | false => path === '' && 'peer missing';

const root = join(import.meta.dirname, '..');

/** Builds dist/ where it is older than what it is made of. */
function buildWhereStale(): void {
  const builtMs = statSync(join(root, 'dist', 'lifeboat.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = globSync(['src/**/*.ts', 'assembly/*.ts', 'package.json'], { cwd: root });
  const changed = sources.some(
    (path) =>
      !path.endsWith('.test.ts') &&
      (statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0) > builtMs,
  );
  if (!changed) return;
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root });
  assert.equal(status, 0, `the build failed:\n${stderr}`);
}

let built: Program | undefined;

/**
 * bin/lifeboat with a fresh dist/ behind it. `npm test` has built it; otherwise it is built here. A program
 * that LIFEBOAT_TEST_PROGRAM names is taken instead.
 */
export function lifeboat(): Program {
  if (built) return built;
  const given = process.env.LIFEBOAT_TEST_PROGRAM;
  if (!given) buildWhereStale();
  built = { name: 'lifeboat', path: given || join(root, 'bin', 'lifeboat') };
  return built;
}

/** Nothing of the caller's settings gets through: each program is told the same by its own variables. */
function environment(options: RunOptions): Record<string, string> {
  const repository = options.repository ?? '';
  const secret = options.password ?? password;
  return {
    PATH: process.env.PATH ?? '',
    HOME: '/nonexistent',
    // Google's library asks `gcloud` where it is installed, which would make a home.
    CLOUDSDK_CONFIG: join(tmpdir(), 'lifeboat-test-gcloud'),
    TZ: 'UTC',
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: secret,
    RUSTIC_REPOSITORY: repository,
    RUSTIC_PASSWORD: secret,
    RUSTIC_NO_CACHE: 'true',
    RUSTIC_LOG_LEVEL: 'warn',
    RUSTIC_NO_PROGRESS: 'true',
    ...(options.from ? { RESTIC_FROM_REPOSITORY: options.from, RESTIC_FROM_PASSWORD: password } : {}),
    ...options.env,
  };
}

function allArguments(program: Program, args: readonly string[]): string[] {
  return program.name === 'rustic' ? [...args] : ['--no-cache', ...args];
}

/** Runs a program to its end, whatever its status. */
export async function run(
  program: Program,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = start(program, args, options);
  // A program that ends before it has read everything is not a failure here.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return ended(child);
}

/** Runs a program that must succeed. @returns what it printed. */
export async function succeed(
  program: Program,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await run(program, args, options);
  assert.equal(status, 0, `${program.name} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** What a program that must succeed prints with --json, as a document. */
export async function json<T>(
  program: Program,
  args: readonly string[],
  options: RunOptions = {},
): Promise<T> {
  return JSON.parse(await succeed(program, ['--json', ...args], options)) as T;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a program that must succeed prints with --json, as one object a line. */
export async function jsonLines(
  program: Program,
  args: readonly string[],
  options: RunOptions = {},
): Promise<JsonObject[]> {
  const printed = await succeed(program, ['--json', ...args], options);
  return linesOf(printed).map((line) => JSON.parse(line) as JsonObject);
}

export function linesOf(output: string): string[] {
  return output.split('\n').filter((line) => line !== '');
}

/** Starts a program and leaves it running. */
export function start(
  program: Program,
  args: readonly string[],
  options: RunOptions = {},
): ChildProcessWithoutNullStreams {
  return spawn(program.path, allArguments(program, args), { cwd: options.cwd, env: environment(options) });
}

/** Waits for the end of a program that was started. */
export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { status: status ?? -1, stdout, stderr };
}
