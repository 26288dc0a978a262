import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { counts, type HeldCopy, judgeCopies, type RuleName } from './copy-rules.ts';

const verified = { at: '2026-01-02T03:04:05Z', extent: 'structure', errors: 0, snapshots: 3 } as const;
const local: HeldCopy = {
  repository: 'local',
  by: 'backup',
  kind: 'path',
  site: 'here',
  state: 'there',
  snapshots: 3,
  newest: '2026-01-02T03:04:05Z',
  journalUntil: null,
  protection: 'none',
  verified,
};
const offsite: HeldCopy = {
  ...local,
  repository: 'offsite',
  by: 'copy',
  kind: 's3',
  site: 'aws eu-west-1',
  protection: 'immutable',
};
const usb: HeldCopy = {
  ...local,
  repository: 'usb',
  by: 'copy',
  kind: 'removable',
  site: 'safe',
  state: 'absent',
};

const judge = (...held: HeldCopy[]) => judgeCopies('db', held, 'here');

function broken(...held: HeldCopy[]): Record<string, string | null> {
  return Object.fromEntries(
    judge(...held)
      .rules.filter(({ holds }) => !holds)
      .map(({ rule, next }) => [rule, next]),
  );
}

function found(rule: RuleName, ...held: HeldCopy[]): string {
  return judge(...held).rules.find((each) => each.rule === rule)!.found;
}

describe('the rule of copies', () => {
  test('holds with a disk here and an immutable bucket elsewhere: the data itself is the third', () => {
    const { copies, kinds, sites, holds321, holds32110 } = judge(local, offsite);
    assert.deepEqual(
      { copies, kinds, sites, holds321, holds32110 },
      {
        copies: 3,
        kinds: ['path', 's3'],
        sites: ['here', 'aws eu-west-1'],
        holds321: true,
        holds32110: true,
      },
    );
  });

  test('names for each part that is broken the next step', () => {
    assert.deepEqual(broken(), {
      copies: 'add a repository to `copies` of `protect`, then: lifeboat copy',
      kinds:
        'keep a copy on something else than a disk of this machine: a bucket, another server or a disk to take away',
      elsewhere: 'keep a copy elsewhere; where a disk here is that of another place, say so with its `site`',
      untouchable:
        'set `immutability` of a bucket with Object Lock, or copy to a `removable` disk and take it away',
      'no-errors': 'make a copy first',
    });
    assert.deepEqual(broken(local, { ...offsite, snapshots: 0 }), {
      copies: 'lifeboat copy --to offsite',
      kinds: 'lifeboat copy --to offsite',
      elsewhere: 'lifeboat copy --to offsite',
      untouchable:
        'set `immutability` of a bucket with Object Lock, or copy to a `removable` disk and take it away',
    });
    assert.equal(broken({ ...local, snapshots: 0 }).copies, 'lifeboat backup --source db');
    assert.equal(broken(local, { ...offsite, snapshots: 0 }).copies, 'lifeboat copy --to offsite');
    assert.equal(broken(local, { ...offsite, state: 'missing' }).copies, 'lifeboat -r offsite init');
    assert.equal(broken(local, { ...offsite, state: 'unreachable' }).copies, 'make offsite reachable again');
    assert.match(
      broken(local, { ...usb, snapshots: 0 }).copies!,
      /^mount usb, then: lifeboat copy --to usb$/,
    );
  });

  test('does not count what is out of reach, but what was taken away on purpose', () => {
    assert.equal(judge(local, { ...offsite, state: 'unreachable' }).copies, 2);
    assert.equal(judge(local, usb).copies, 3);
    assert.ok(judge(local, usb).holds32110);
  });

  test('wants a removable medium taken away: while it is mounted it is no safer than the rest', () => {
    assert.deepEqual(broken(local, { ...usb, state: 'there' }), {
      untouchable: 'unmount usb and take it away',
    });
    assert.match(broken(local, { ...usb, site: 'here' }).elsewhere!, /^keep usb elsewhere/);
  });

  test('believes in immutability when it was seen on an object, and in append-only not at all', () => {
    assert.deepEqual(broken(local, { ...offsite, protection: 'not-seen' }), {
      untouchable: 'lifeboat -r offsite retain',
    });
    assert.match(
      found('untouchable', local, { ...offsite, protection: 'append-only' }),
      /append-only alone is weaker/,
    );
  });

  test('takes what was never verified for no zero errors', () => {
    assert.deepEqual(broken(local, { ...offsite, verified: null }), {
      'no-errors': 'lifeboat -r offsite check',
    });
    assert.match(found('no-errors', { ...local, verified: null }), /^never verified: local$/);
    const damaged = { ...offsite, verified: { ...verified, errors: 2 } };
    assert.equal(found('no-errors', local, damaged), '2 errors in offsite when it was last checked');
    assert.equal(
      broken(local, { ...usb, verified: null })['no-errors'],
      'mount usb, then: lifeboat -r usb check',
    );
  });

  const copy = fc.record({
    repository: fc.constantFrom('a', 'b', 'c'),
    by: fc.constantFrom('backup', 'copy'),
    kind: fc.constantFrom('path', 'removable', 's3'),
    site: fc.constantFrom('here', 'there', 'far'),
    state: fc.constantFrom('there', 'absent', 'missing', 'unreachable'),
    snapshots: fc.nat(2),
    newest: fc.constant(null),
    journalUntil: fc.constant(null),
    protection: fc.constantFrom('immutable', 'not-seen', 'append-only', 'none'),
    verified: fc.constantFrom(null, verified, { ...verified, errors: 1 }),
  }) satisfies fc.Arbitrary<HeldCopy>;

  test('says for every rule either that it holds or what to do, and the long form implies the short one', () => {
    fc.assert(
      fc.property(fc.array(copy, { maxLength: 4 }), (held) => {
        const { rules, holds321, holds32110, copies } = judge(...held);
        assert.equal(rules.length, 5);
        for (const { holds, next } of rules) assert.equal(holds, next === null);
        assert.ok(!holds32110 || holds321);
        assert.equal(copies, 1 + held.filter(counts).length);
      }),
    );
  });

  test('holds no less with one more copy that is sound', () => {
    fc.assert(
      fc.property(fc.array(copy, { maxLength: 4 }), (held) => {
        const before = judge(...held);
        const after = judge(...held, offsite);
        assert.ok(after.holds321 || !before.holds321);
        assert.ok(after.holds32110 || !before.holds32110);
      }),
    );
  });
});
