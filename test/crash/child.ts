/** Runs one operation on a repository whose storage misbehaves, as a process of its own that can be killed. */
import { acquireLock } from '../../src/repository/lock.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { testPassword } from '../repositories/cheap.ts';
import { type Fault, faultyStorage } from './faulty-storage.ts';
import { crashOperations } from './operations.ts';

export interface ChildTask {
  readonly operation: string;
  readonly repository: string;
  readonly source: string;
  readonly faults: readonly Fault[];
}

/** Runs the operation under its lock, as a command does. */
export async function runOperation(task: ChildTask, storage = localStorage(task.repository)): Promise<void> {
  const { lock: mode, run } = crashOperations[task.operation]!;
  const repository = await openRepository(storage, testPassword);
  const { source } = task;
  if (mode === 'none') return run({ repository, source, signal: new AbortController().signal });
  const lock = await acquireLock(repository, { exclusive: mode === 'exclusive' });
  try {
    await run({ repository, source, signal: lock.signal });
  } finally {
    await lock.release();
  }
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? '') as ChildTask;
  const storage = faultyStorage(localStorage(task.repository), task.faults);
  await runOperation(task, storage);
  process.stdout.write(JSON.stringify(storage.operations));
  process.exit(0);
}
