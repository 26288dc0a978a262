import type { Id } from '../../model/id.ts';
import type { PackChecker } from '../../repository/pack-checker.ts';
import type { TreeFacts } from '../../repository/workers/protocol.ts';
import type { PresentPack } from './check-files.ts';
import type { Findings } from './findings.ts';
import type { IndexedPacks } from './indexed-packs.ts';
import type { CheckEvents } from './report.ts';

export interface PackReading extends PresentPack {
  /** Everything, or only what `entries` names. */
  readonly whole: boolean;
  readonly entries: Int32Array;
}

export interface ReadingOptions {
  readonly trees: boolean;
  readonly references: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly watch?: CheckEvents['watch'];
  readonly onTrees?: (facts: TreeFacts) => void;
}

export interface ReadingTotals {
  readonly packs: number;
  readonly bytes: number;
}

/** Reads packs, as many at once as the checker can use, and tells what is wrong with them. */
export async function readPacks(
  checker: PackChecker,
  packs: readonly PackReading[],
  findings: Findings,
  options: ReadingOptions,
): Promise<ReadingTotals> {
  const bytesTotal = packs.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytesBefore = checker.progressBytes();
  let next = 0;
  let packsDone = 0;
  let packsRead = 0;
  let bytesRead = 0;
  options.watch?.(() => ({
    packsDone,
    packsTotal: packs.length,
    bytesDone: checker.progressBytes() - bytesBefore,
    bytesTotal,
  }));

  async function readSome(): Promise<void> {
    while (next < packs.length) {
      options.signal?.throwIfAborted();
      const { id, bytes, whole, entries } = packs[next++]!;
      const { trees, references } = options;
      const outcome = await checker.check({ id, bytes, entries, whole, trees, references });
      packsDone++;
      if (outcome.bytes > 0) packsRead++;
      bytesRead += outcome.bytes;
      if (outcome.unreadable !== null) findings.problem('pack', id, outcome.unreadable);
      if (outcome.problems.length > 0) findings.damagedPack(id, packMessage(id, outcome.problems));
      if (outcome.trees) options.onTrees?.(outcome.trees);
    }
  }
  await Promise.all(Array.from({ length: Math.min(checker.ahead, packs.length) }, readSome));
  return { packs: packsRead, bytes: bytesRead };
}

function packMessage(id: Id, problems: readonly string[]): string {
  const [only] = problems;
  return problems.length === 1
    ? `pack ${id} is damaged: ${only}`
    : `pack ${id} is damaged:${problems.map((problem) => `\n  ${problem}`).join('')}`;
}

/** The entries among these that are trees. A view of the same memory where all are. */
export function treeEntries(
  packs: IndexedPacks,
  pack: number,
  isTree: (entry: number) => boolean,
): Int32Array {
  const entries = packs.entries(pack);
  return packs.types(pack).data ? entries.filter(isTree) : entries;
}
