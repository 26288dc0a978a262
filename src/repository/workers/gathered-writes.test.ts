import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createGatheredWrites, gatheredBytesMax } from './gathered-writes.ts';

interface Write {
  readonly file: number;
  readonly position: number;
  readonly bytes: Buffer;
  readonly owners: readonly number[];
}

function gather(): { writes: Write[]; gathered: ReturnType<typeof createGatheredWrites> } {
  const writes: Write[] = [];
  const gathered = createGatheredWrites((file, bytes, position, owners) => {
    writes.push({ file, position, bytes: Buffer.from(bytes), owners });
  });
  return { writes, gathered };
}

function put(
  gathered: ReturnType<typeof createGatheredWrites>,
  file: number,
  position: number,
  text: string,
  owner = 0,
): void {
  gathered.room(text.length).set(Buffer.from(text));
  gathered.add(file, position, text.length, owner);
}

describe('gathered writes', () => {
  it('write neighbours of one file at once', () => {
    const { writes, gathered } = gather();
    put(gathered, 1, 100, 'ab');
    put(gathered, 1, 102, 'cd', 1);
    put(gathered, 1, 200, 'ef');
    put(gathered, 2, 202, 'gh');
    gathered.flush();
    assert.deepEqual(
      writes.map(({ file, position, bytes, owners }) => [file, position, bytes.toString(), owners]),
      [
        [1, 100, 'abcd', [0, 1]],
        [1, 200, 'ef', [0]],
        [2, 202, 'gh', [0]],
      ],
    );
  });

  it('forget what is dropped', () => {
    const { writes, gathered } = gather();
    put(gathered, 1, 0, 'ab');
    gathered.drop();
    put(gathered, 1, 2, 'cd');
    gathered.flush();
    assert.deepEqual(
      writes.map(({ position, bytes }) => [position, bytes.toString()]),
      [[2, 'cd']],
    );
  });

  it('lose nothing of what was put into their room, whatever its sizes, and use a room again where it was not added', () => {
    const part = fc.record({
      file: fc.integer({ min: 0, max: 2 }),
      skip: fc.boolean(),
      refused: fc.boolean(),
      length: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: gatheredBytesMax })),
    });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (list) => {
        const { writes, gathered } = gather();
        const ends = [0, 0, 0];
        const expected: Map<number, number>[] = [new Map(), new Map(), new Map()];
        let parts = 0;
        for (const [n, { file, skip, refused, length }] of list.entries()) {
          gathered.room(length).fill(n + 1);
          if (refused) continue;
          const position = ends[file]! + (skip ? 7 : 0);
          gathered.add(file, position, length, 0);
          if (length > 0) expected[file]!.set(position, n + 1);
          ends[file] = position + length;
          parts++;
        }
        gathered.flush();
        assert.equal(
          writes.reduce((sum, each) => sum + each.owners.length, 0),
          parts,
        );
        const files = ends.map((end) => Buffer.alloc(end));
        for (const { file, bytes, position } of writes) bytes.copy(files[file]!, position);
        for (const [file, starts] of expected.entries())
          for (const [position, value] of starts) assert.equal(files[file]![position], value);
      }),
      { numRuns: 50 },
    );
  });
});
