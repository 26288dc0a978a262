import { rmSync } from 'node:fs';
import type { CrashOperation, OperationContext } from './operations.ts';
import type { Prepared } from './prepared.ts';
import type { Expectation } from './verify.ts';

export interface SetUp {
  readonly context: OperationContext;
  /** What must be true at every moment, and when the operation has ended well. */
  readonly expected: Expectation;
  readonly atEnd: Expectation;
  remove(): void;
}

/** Copies the repositories that an operation works on. */
export function setUp(prepared: Prepared, operation: CrashOperation): SetUp {
  const repository = prepared.copy(operation.template);
  const other = prepared.copy('base');
  const { source, passwordFile } = prepared;
  const originals = operation.keepsOriginals ? prepared.snapshots : [];
  return {
    context: { repository, other, source, passwordFile },
    expected: { trees: operation.remains(prepared), originals },
    atEnd: { trees: (operation.atEnd ?? operation.remains)(prepared), originals },
    remove() {
      for (const path of [repository, other]) rmSync(path, { recursive: true, force: true });
    },
  };
}
