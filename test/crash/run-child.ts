import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ChildTask } from './child.ts';
import type { Operation } from './faulty-storage.ts';
import type { Prepared } from './prepared.ts';

export interface ChildEnd {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it asked of its storage; empty where it did not come to its end. */
  readonly operations: readonly Operation[];
  readonly stderr: string;
}

const childProgram = join(import.meta.dirname, 'child.ts');

/** Runs an operation in a process of its own. */
export function runChild(prepared: Prepared, task: ChildTask): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [childProgram, JSON.stringify(task)], {
      cwd: prepared.workingFolder,
      // Compiled modules are kept from one child to the next.
      env: {
        PATH: process.env.PATH,
        HOME: prepared.folder,
        NODE_COMPILE_CACHE: join(prepared.folder, 'compiled'),
      },
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
