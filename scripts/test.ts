/**
 * The test command: `npm test [-- --soak | --peers [--allow-missing]] [PATH…]`. Installs what the tests need, builds, checks
 * types and style, runs the tests, and ends with the runner's own summary. See test/README.md.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { installAzurite } from './test/azurite.ts';
import { preparePeers } from './test/peers.ts';
import { installPostgresServers } from './test/postgres-servers.ts';
import { runTests } from './test/run.ts';
import { installSystemPackages } from './test/system-packages.ts';

const root = dirname(import.meta.dirname);
const testMinutesMax = 20;

const { values: options, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    soak: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    'allow-missing': { type: 'boolean', default: false },
  },
});

process.chdir(root);
process.stdin.destroy();
const failures: string[] = [];
const notes: string[] = [];

/** Runs one step of the toolchain; a failure is remembered, and the steps after it still run. */
function step(name: string, command: string, args: readonly string[]): void {
  console.log(`> ${name}`);
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) console.error(`${name}: ${error.message}`);
  if (status !== 0) failures.push(name);
}

function filesToRun(): string[] {
  const exclude = options.peers || paths.length > 0 ? [] : ['test/peers/**'];
  const patterns = options.peers ? ['test/peers/**/*.test.ts'] : ['src/**/*.test.ts', 'test/**/*.test.ts'];
  const wanted = paths.flatMap((path) => (path.endsWith('.ts') ? [path] : [join(path, '**/*.test.ts')]));
  return globSync(wanted.length > 0 ? wanted : patterns, { exclude }).sort();
}

installSystemPackages();
installPostgresServers(options.soak);
installAzurite();
const tool = (name: string): string => join(root, 'node_modules', '.bin', name);
step('build', process.execPath, ['scripts/build.mjs']);
if (!options.peers && paths.length === 0) {
  step('typecheck', tool('tsc'), ['--noEmit']);
  step('lint', tool('biome'), ['check', '.']);
}
if (options.peers) (options['allow-missing'] ? notes : failures).push(...preparePeers());
if (options.soak) {
  process.env.LIFEBOAT_SOAK = '1';
  process.env.LIFEBOAT_SEED ??= String(randomInt(2 ** 31));
}
if (process.env.LIFEBOAT_SEED) console.log(`> seed: LIFEBOAT_SEED=${process.env.LIFEBOAT_SEED}`);

const passed = await runTests({
  files: filesToRun(),
  concurrency: availableParallelism(),
  timeoutMs: options.soak ? Number.POSITIVE_INFINITY : testMinutesMax * 60_000,
  notes,
  failuresBefore: failures,
});
process.exit(passed ? 0 : 1);
