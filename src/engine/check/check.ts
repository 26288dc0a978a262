import { LifeboatError, messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { StoredSnapshot } from '../../model/snapshot.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import { openPackChecker } from '../../repository/pack-checker.ts';
import type { Repository } from '../../repository/repository.ts';
import { listSnapshots } from '../../repository/snapshots.ts';
import { unreadablePacks } from '../cold/thaw.ts';
import { checkIndex, checkKeys, checkPresence, type PresentPack } from './check-files.ts';
import { createFindings, type Findings } from './findings.ts';
import { groupByPack, type IndexedPacks } from './indexed-packs.ts';
import { type PackReading, type ReadingTotals, readPacks, treeEntries } from './read-packs.ts';
import type { CheckEvents, CheckReport, UnusedBlobs } from './report.ts';
import { choosePacks, type DataSubset } from './subset.ts';
import { createTreeGraph, type TreeGraph } from './tree-graph.ts';

/**
 * The check of a repository, as restic does it (cmd/restic/cmd_check.go, internal/checker/checker.go): index,
 * packs against the index, every tree of every snapshot, and, where asked, the content of packs. Trees are
 * read pack by pack, in any order and on all processors; only then the snapshots are walked, in memory. No
 * tree can contain itself: it counts once its bytes have the hash that names it.
 */

export interface CheckOptions {
  /** Packs to read in full; null for none. */
  readonly readData: DataSubset | null;
  /** Limits the check to some snapshots and the packs that they use. */
  readonly select?: (snapshots: readonly StoredSnapshot[]) => readonly StoredSnapshot[];
  /** Also find what no snapshot uses. */
  readonly unused?: boolean;
  readonly signal?: AbortSignal;
  /** Numbers from 0 up to 1 for subsets chosen at random. */
  readonly random?: () => number;
}

/**
 * Checks the repository and tells of every problem as it is found. Damage never throws.
 * @throws storage errors that keep it from listing files; the signal's reason.
 */
export async function checkRepository(
  repository: Repository,
  options: CheckOptions,
  events: CheckEvents,
): Promise<CheckReport> {
  const findings = createFindings(events);
  const { signal } = options;
  events.stage?.('keys');
  const damagedKeys = await checkKeys(repository, findings);

  events.stage?.('snapshots');
  const { snapshots: all, broken } = await listSnapshots(repository, true);
  for (const [id, error] of broken)
    findings.problem('snapshot', id, `snapshot ${id} cannot be read: ${messageOf(error)}`);
  const snapshots = options.select?.(all) ?? all;

  events.stage?.('index');
  const { index, repeated } = await checkIndex(repository, findings);
  const base = { damagedKeys, damagedSnapshots: [...broken.keys()], snapshots: snapshots.length };
  if (index.broken.size > 0) return { ...nothingChecked, ...base, ...totals(findings), indexDamaged: true };
  signal?.throwIfAborted();

  events.stage?.('packs');
  const packs = groupByPack(index);
  const { present, orphaned, mixed } = await checkPresence(repository, packs, findings);
  signal?.throwIfAborted();

  const content = await checkContent(
    { repository, index, packs, present, snapshots, findings },
    options,
    events,
  );
  return {
    ...base,
    ...totals(findings),
    ...content,
    indexDamaged: false,
    suggestRepairIndex: repeated,
    suggestPrune: mixed > 0 || orphaned > 0,
    orphanedPacks: orphaned,
    packs: present.length,
  };
}

const nothingChecked = {
  affectedSnapshots: [],
  suggestRepairIndex: true,
  suggestPrune: false,
  orphanedPacks: 0,
  packs: 0,
  trees: 0,
  packsRead: 0,
  bytesRead: 0,
  unused: null,
};

const totals = (findings: Findings): Pick<CheckReport, 'errors' | 'damagedPacks'> => ({
  errors: findings.errors(),
  damagedPacks: [...findings.damagedPacks],
});

interface Checked {
  readonly repository: Repository;
  readonly index: BlobIndex;
  readonly packs: IndexedPacks;
  readonly present: readonly PresentPack[];
  readonly snapshots: readonly StoredSnapshot[];
  readonly findings: Findings;
}

type ContentReport = Pick<
  CheckReport,
  'errors' | 'damagedPacks' | 'affectedSnapshots' | 'trees' | 'packsRead' | 'bytesRead' | 'unused'
>;

/** Trees, snapshots, and the content of the packs chosen. */
async function checkContent(
  checked: Checked,
  options: CheckOptions,
  events: CheckEvents,
): Promise<ContentReport> {
  const { repository, index, packs, present, findings } = checked;
  const random = options.random ?? Math.random;
  const filtered = options.select !== undefined;
  const signal = options.signal ?? new AbortController().signal;
  const archived = options.readData ? await unreadablePacks(repository, signal) : new Set();
  const choose = (candidates: readonly PresentPack[]): PresentPack[] => {
    if (!options.readData) return [];
    return choosePacks(candidates, options.readData, random).filter(({ id }) => {
      if (archived.has(id)) findings.note('archived-pack', id, `pack ${id} is archived and was not read`);
      return !archived.has(id);
    });
  };
  // Which packs some snapshots use is known once their trees are read; else the choice is made now, so that
  // no pack is read twice.
  const chosen = new Set(filtered ? [] : choose(present).map(({ number }) => number));

  const graph = createTreeGraph(index.table.count());
  const treePacks = present.filter(({ number }) => packs.types(number).tree);
  const bytes = (filtered ? present : [...treePacks, ...present.filter(({ number }) => chosen.has(number))])
    .map((pack) => pack.bytes)
    .reduce((sum, one) => sum + one, 0);
  const checker = openPackChecker(repository, index, bytes);
  const reading = { references: filtered || options.unused === true, signal: options.signal };
  const watch = events.watch;
  try {
    events.stage?.('trees');
    const isTree = (entry: number): boolean => index.table.typeOf(entry) === 'tree';
    const withTrees = treePacks.map((pack): PackReading => {
      const whole = chosen.has(pack.number);
      const entries = whole ? packs.entries(pack.number) : treeEntries(packs, pack.number, isTree);
      return { ...pack, whole, entries };
    });
    const first = await readPacks(checker, withTrees, findings, {
      ...reading,
      trees: true,
      ...(watch ? { watch } : {}),
      onTrees: graph.add,
    });
    const affectedSnapshots = walkSnapshots(checked, graph);

    let second: ReadingTotals = { packs: 0, bytes: 0 };
    if (options.readData) {
      events.stage?.('data');
      const rest = filtered
        ? choose(present.filter(({ number }) => packs.entries(number).some(isUsed(index, graph))))
        : present.filter(({ number }) => chosen.has(number) && !packs.types(number).tree);
      const readings = rest.map((pack): PackReading => {
        return { ...pack, whole: true, entries: packs.entries(pack.number) };
      });
      second = await readPacks(checker, readings, findings, {
        ...reading,
        trees: false,
        ...(watch ? { watch } : {}),
      });
    }
    return {
      ...totals(findings),
      affectedSnapshots,
      trees: graph.reachedTrees(),
      packsRead: first.packs + second.packs,
      bytesRead: first.bytes + second.bytes,
      unused: options.unused && !filtered ? countUnused(index, graph) : null,
    };
  } finally {
    await checker.close();
  }
}

/** Follows every snapshot's trees. Returns the snapshots below which something is wrong. */
function walkSnapshots({ index, snapshots, findings }: Checked, graph: TreeGraph): Id[] {
  const affected: Id[] = [];
  const idBytes = Buffer.alloc(32);
  const treeProblem = (tree: number, messages: readonly string[]): void => {
    const { id } = index.blobAt(tree);
    for (const message of messages) findings.problem('tree', id, `tree ${id}: ${message}`);
  };
  for (const { id, tree } of snapshots) {
    if (tree === undefined) {
      findings.problem('snapshot', id, `snapshot ${id} has no tree`);
      affected.push(id);
      continue;
    }
    idBytes.write(tree, 'hex');
    const entry = index.table.find('tree', idBytes);
    if (entry < 0) findings.problem('snapshot', id, `snapshot ${id}: its tree ${tree} is not in the index`);
    if (entry < 0 || graph.reach(entry, treeProblem)) affected.push(id);
  }
  return affected;
}

/** Whether a blob was reached, by this copy of it or another. */
function isUsed({ table }: BlobIndex, graph: TreeGraph): (entry: number) => boolean {
  const id = Buffer.alloc(32);
  return (entry) => {
    if (graph.reached(entry)) return true;
    table.copyId(entry, id);
    return graph.reached(table.find(table.typeOf(entry), id));
  };
}

function countUnused(index: BlobIndex, graph: TreeGraph): UnusedBlobs {
  const { table } = index;
  const id = Buffer.alloc(32);
  let blobs = 0;
  let bytes = 0;
  const total = table.count();
  for (let entry = 0; entry < total; entry++) {
    if (graph.reached(entry)) continue;
    // A second copy of a blob in use is a duplicate; prune knows better which copy to keep.
    table.copyId(entry, id);
    if (table.find(table.typeOf(entry), id) !== entry) continue;
    blobs++;
    bytes += table.locationOf(entry).length;
  }
  return { blobs, bytes };
}

/** What a check that found errors ends with. */
export function checkFailure({ errors }: CheckReport): LifeboatError {
  return new LifeboatError(
    'repository-damaged',
    `the repository contains errors: ${errors} ${errors === 1 ? 'was' : 'were'} found`,
    { hint: 'the check names what is damaged and the commands that repair it' },
  );
}
