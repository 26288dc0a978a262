/** Runs one operation on a repository whose storage misbehaves, as a process of its own that can be killed. */
import { scriptFaults } from './faulty-local.ts';
import type { Fault } from './faulty-storage.ts';
import { crashOperations, type OperationContext } from './operations.ts';

export interface ChildTask extends OperationContext {
  readonly operation: string;
  readonly faults: readonly Fault[];
}

const { operation, faults, ...context } = JSON.parse(process.argv[2] ?? '') as ChildTask;
const storage = scriptFaults(context.repository, faults);
await crashOperations[operation]!.run(context);
process.stdout.write(JSON.stringify(storage.operations));
process.exit(0);
