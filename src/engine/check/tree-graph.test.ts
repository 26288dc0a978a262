import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TreeFacts } from '../../repository/workers/protocol.ts';
import { createTreeGraph } from './tree-graph.ts';

/** Facts from trees by number: their subtrees, their data. */
function factsOf(
  trees: Readonly<Record<number, readonly [subtrees: readonly number[], data: readonly number[]]>>,
  problems: TreeFacts['problems'] = [],
): TreeFacts {
  const references = Object.values(trees).flatMap(([subtrees, data]) => [
    subtrees.length,
    ...subtrees,
    data.length,
    ...data,
  ]);
  return {
    trees: Int32Array.from(Object.keys(trees), Number),
    references: Int32Array.from(references),
    problems,
  };
}

describe('the graph of trees', () => {
  test('reaches what is below a tree, and nothing else', () => {
    const graph = createTreeGraph(64);
    graph.add(factsOf({ 40: [[41, 42], [1]], 41: [[], [2, 3]] }));
    graph.add(factsOf({ 42: [[41], []], 50: [[51], [4]], 51: [[], [5]] }));
    const never = (): void => assert.fail('nothing is wrong');
    assert.equal(graph.reach(40, never), false);
    assert.deepEqual([...Array(64).keys()].filter(graph.reached), [1, 2, 3, 40, 41, 42]);
    assert.equal(graph.reachedTrees(), 3);
    assert.equal(graph.reach(40, never), false);
    assert.equal(graph.reachedTrees(), 3);
    assert.equal(graph.has(50), true);
    assert.equal(graph.has(43), false);
  });

  test('tells each problem once, and which roots it concerns', () => {
    const graph = createTreeGraph(64);
    graph.add(
      factsOf({ 1: [[2, 3], []], 2: [[4], []], 3: [[], []], 5: [[3], []], 6: [[4], []] }, [
        { tree: 3, message: 'is odd' },
      ]),
    );
    graph.add(factsOf({ 3: [[], []] }, [{ tree: 3, message: 'is odd' }]));
    const told: string[] = [];
    const tell = (tree: number, messages: readonly string[]): void => {
      told.push(`${tree} ${messages.join(', ')}`);
    };
    assert.equal(graph.reach(2, tell), true);
    assert.deepEqual(told, ['4 it cannot be read']);
    assert.equal(graph.reach(1, tell), true);
    assert.equal(graph.reach(5, tell), true);
    assert.equal(graph.reach(6, tell), true);
    assert.deepEqual(told, ['4 it cannot be read', '3 is odd']);
  });

  test('does not count what is wrong where nobody looks', () => {
    const graph = createTreeGraph(64);
    graph.add(factsOf({ 1: [[], []], 2: [[], []] }, [{ tree: 2, message: 'is odd' }]));
    assert.equal(
      graph.reach(1, () => assert.fail()),
      false,
    );
  });

  test('knows every tree that another refers to', () => {
    const graph = createTreeGraph(64);
    graph.add(factsOf({ 1: [[2, 3], [9]], 2: [[], [8]] }));
    graph.add(factsOf({ 4: [[2], []] }));
    const found: number[] = [];
    graph.eachReferredTree((tree) => found.push(tree));
    assert.deepEqual(found, [2, 3, 2]);
  });
});
