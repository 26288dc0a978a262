import type { TreeFacts } from '../../repository/workers/protocol.ts';

/**
 * Which tree refers to which trees and data blobs, by their entries in the index's table. Built from packs in
 * any order; walked from the snapshots once all are read. Costs 4 bytes for each entry of the index and each
 * reference, and two bits for each entry that was visited.
 */
export interface TreeGraph {
  add(facts: TreeFacts): void;
  /** Whether a tree was read. */
  has(tree: number): boolean;
  /**
   * Visits a tree and all below it that were not visited before.
   * @param problem told of each tree visited that was not read or has problems, with these.
   * @returns whether anything at or below this tree is wrong, also of what was visited before.
   */
  reach(root: number, problem: (tree: number, messages: readonly string[]) => void): boolean;
  /** Whether a tree, or a data blob where these were collected, was reached. */
  reached(entry: number): boolean;
  reachedTrees(): number;
  /** Calls back for each tree that another tree refers to. */
  eachReferredTree(found: (tree: number) => void): void;
}

class Bits {
  readonly #words: Uint32Array;
  constructor(count: number) {
    this.#words = new Uint32Array(Math.ceil(count / 32));
  }
  has(bit: number): boolean {
    return ((this.#words[bit >>> 5]! >>> (bit & 31)) & 1) !== 0;
  }
  add(bit: number): void {
    this.#words[bit >>> 5]! |= 1 << (bit & 31);
  }
}

/** @param entries number of entries in the table. */
export function createTreeGraph(entries: number): TreeGraph {
  let references = new Int32Array(4096);
  let used = 0;
  /** Place of a tree's references, plus one; 0 where it was not read. */
  const placeOf = new Uint32Array(entries);
  const problems = new Map<number, string[]>();
  const visited = new Bits(entries);
  const broken = new Bits(entries);
  let reachedTrees = 0;

  function store(values: Int32Array): void {
    if (used + values.length > references.length) {
      const larger = new Int32Array(Math.max(references.length * 2, used + values.length));
      larger.set(references.subarray(0, used));
      references = larger;
    }
    references.set(values, used);
    used += values.length;
  }

  /** Marks a tree visited and what data it refers to; tells what is wrong with it. */
  function visit(tree: number, problem: (tree: number, messages: readonly string[]) => void): void {
    visited.add(tree);
    reachedTrees++;
    const place = placeOf[tree]!;
    const messages = place === 0 ? ['it cannot be read'] : problems.get(tree);
    if (messages) {
      broken.add(tree);
      problem(tree, messages);
    }
    if (place === 0) return;
    const dataAt = place + references[place - 1]!;
    const dataCount = references[dataAt]!;
    for (let n = 1; n <= dataCount; n++) visited.add(references[dataAt + n]!);
  }

  return {
    add(facts) {
      let at = 0;
      for (const tree of facts.trees) {
        const subtrees = facts.references[at]!;
        const data = facts.references[at + 1 + subtrees]!;
        const end = at + 2 + subtrees + data;
        if (placeOf[tree] === 0) {
          placeOf[tree] = used + 1;
          store(facts.references.subarray(at, end));
        }
        at = end;
      }
      for (const { tree, message } of facts.problems) {
        const told = problems.get(tree);
        if (!told) problems.set(tree, [message]);
        else if (!told.includes(message)) told.push(message);
      }
    },
    has: (tree) => placeOf[tree] !== 0,
    reach(root, problem) {
      if (visited.has(root)) return broken.has(root);
      visit(root, problem);
      const trees = [root];
      const next = [0];
      while (trees.length > 0) {
        const tree = trees.at(-1)!;
        const place = placeOf[tree]!;
        const count = place === 0 ? 0 : references[place - 1]!;
        const n = next[next.length - 1]!++;
        if (n < count) {
          const child = references[place + n]!;
          if (!visited.has(child)) {
            visit(child, problem);
            trees.push(child);
            next.push(0);
          } else if (broken.has(child)) broken.add(tree);
          continue;
        }
        trees.pop();
        next.pop();
        const parent = trees.at(-1);
        if (parent !== undefined && broken.has(tree)) broken.add(parent);
      }
      return broken.has(root);
    },
    reached: (entry) => visited.has(entry),
    reachedTrees: () => reachedTrees,
    eachReferredTree(found) {
      for (let at = 0; at < used; ) {
        const subtrees = references[at]!;
        for (let n = 1; n <= subtrees; n++) found(references[at + n]!);
        at += 2 + subtrees + references[at + 1 + subtrees]!;
      }
    },
  };
}
