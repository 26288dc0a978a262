/** The programs of the operating system that tests use, and how to get them where they are missing. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

interface SystemPackage {
  /** The Debian package. */
  readonly name: string;
  /** A command that is there once the package is. */
  readonly command: string;
}

/** What each is for stands in test/README.md. */
export const systemPackages: readonly SystemPackage[] = [
  { name: 'restic', command: 'restic' },
  { name: 'acl', command: 'setfacl' },
  { name: 'attr', command: 'setfattr' },
  { name: 'strace', command: 'strace' },
  { name: 'openssh-server', command: 'sshd' },
  { name: 'openssl', command: 'openssl' },
  { name: 'ceph-mon', command: 'ceph-mon' },
  { name: 'ceph-osd', command: 'ceph-osd' },
  { name: 'radosgw', command: 'radosgw' },
  { name: 'postgresql', command: 'pg_ctlcluster' },
  { name: 'pgbackrest', command: 'pgbackrest' },
  { name: 'pgbouncer', command: 'pgbouncer' },
];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Absent and not executable are the same answer here: the command cannot be used.
    return false;
  }
}

/** Whether a command is somewhere in PATH. */
export function hasCommand(command: string): boolean {
  // Programs of the system stand where PATH of an ordinary user may not lead.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, command)));
}

/** Runs apt-get and returns what went wrong, or null. */
function apt(...args: string[]): string | null {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync('apt-get', ['-qq', ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/**
 * Installs the missing packages when it may (root on a system with apt-get), else prints what to install.
 * Never fails: the tests that need a missing program say so themselves.
 */
export function installSystemPackages(): void {
  const missing = systemPackages.filter(({ command }) => !hasCommand(command)).map(({ name }) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && hasCommand('apt-get')) {
    console.log(`> install: ${missing.join(' ')}`);
    const install = ['install', '-y', '--no-install-recommends', ...missing];
    if (apt(...install) === null) return;
    // The package lists may be old or absent, as in a fresh container.
    const problem = apt('update') ?? apt(...install);
    if (problem === null) return;
    console.error(problem);
  }
  console.error(`These packages are missing and some tests need them: ${missing.join(' ')}`);
  console.error(`Install them with: sudo apt-get update && sudo apt-get install ${missing.join(' ')}`);
}
