import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  readonly path: string;
  /** Makes it readable only, or writable again. */
  remount(mode: 'ro' | 'rw'): void;
  /** Changes its size. */
  resize(bytes: number): void;
  unmount(): void;
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/** A file system in memory that is soon full, or null where this process may not mount one. */
export function mountSmallDisk(bytes: number): SmallDisk | null {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return null;
  const path = mkdtempSync(join(tmpdir(), 'small-disk-'));
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path);
  } catch {
    // Root of a container without the right to mount is as good as no root.
    rmdirSync(path);
    return null;
  }
  return {
    path,
    remount: (mode) => run('mount', '-o', `remount,${mode}`, path),
    resize: (size) => run('mount', '-o', `remount,size=${size}`, path),
    unmount() {
      run('umount', path);
      rmdirSync(path);
    },
  };
}
