import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ChildTask } from './child.ts';
import type { Operation } from './faulty-storage.ts';

export interface ChildEnd {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it asked of its storage; empty where it did not come to its end. */
  readonly operations: readonly Operation[];
  readonly stderr: string;
}

const childProgram = join(import.meta.dirname, 'child.ts');

/** Runs an operation in a process of its own. `cacheFolder` keeps compiled modules from one child to the next. */
export function runChild(task: ChildTask, cacheFolder: string): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [childProgram, JSON.stringify(task)], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_COMPILE_CACHE: cacheFolder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text: Buffer) => (stdout += text));
    child.stderr.on('data', (text: Buffer) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const operations = status === 0 ? (JSON.parse(stdout) as Operation[]) : [];
      resolve({ status, signal, operations, stderr });
    });
  });
}
