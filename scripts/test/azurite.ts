/** Azurite, the emulator of Azure's storage, from npm: one file of its blob service, without its databases. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { azuriteProgram, azuriteVersion } from '../../test/azure/azurite.ts';

/** What keeps its metadata elsewhere and tells of its use; most of its weight, and none of it runs here. */
const leftOut = ['sequelize', 'tedious', 'mysql2', 'applicationinsights'];

/** Installs it where it is missing. Never fails: the tests that need it say so themselves. */
export function installAzurite(): void {
  if (existsSync(azuriteProgram)) return;
  console.log(`> install: azurite@${azuriteVersion}`);
  mkdirSync(dirname(azuriteProgram), { recursive: true });
  const staging = mkdtempSync(join(dirname(azuriteProgram), 'unpacking-'));
  try {
    build(staging);
    renameSync(join(staging, 'azurite.cjs'), azuriteProgram);
  } catch (error) {
    console.error(`Azurite could not be installed: ${(error as Error).message}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function build(folder: string): void {
  mkdirSync(join(folder, 'stub'));
  writeFileSync(join(folder, 'stub', 'package.json'), '{ "name": "stub", "version": "1.0.0" }');
  writeFileSync(join(folder, 'stub', 'index.js'), 'exports.Model = class {};');
  const overrides = Object.fromEntries(leftOut.map((name) => [name, 'file:./stub']));
  const dependencies = { azurite: azuriteVersion };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], folder);
  const esbuild = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'esbuild');
  run(
    esbuild,
    [
      'node_modules/azurite/dist/src/blob/main.js',
      '--bundle',
      '--format=cjs',
      '--platform=node',
      '--log-level=error',
      ...leftOut.map((name) => `--alias:${name}=./stub`),
      '--outfile=azurite.cjs',
    ],
    folder,
  );
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr.trim()}`);
}
