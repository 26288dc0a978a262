import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Tier } from '../../model/configuration.ts';
import { type LifecycleRule, noRule, type StoredLifecycleRule } from '../../model/lifecycle.ts';
import { isArchiveClass, rankOf, storageClassNames } from '../../model/storage-class.ts';
import { ruleOf, writtenRule } from '../../storage/s3/bucket.ts';
import { couldExpire, dangersOf } from './lifecycle-dangers.ts';
import { changesNothing, differencesOf, planLifecycle, sameRule } from './lifecycle-plan.ts';
import { isOwnRule, tierTag, wantedRules } from './lifecycle-rules.ts';

const span = { years: 0, months: 0, days: 30, hours: 0 };
const anyTiers = fc
  .uniqueArray(fc.constantFrom(...storageClassNames), { maxLength: 5 })
  .map((names) =>
    names
      .sort((a, b) => rankOf(a) - rankOf(b))
      .map((each): Tier => ({ keep: 'daily', for: span, class: each })),
  );
const anyRoot = fc.constantFrom('', 'prod/', 'prod/app/', `${'long/'.repeat(80)}`, 'a:b/');
const anyPolicy = fc.record({
  keepNoncurrentDays: fc.integer({ min: 1, max: 4000 }),
  abortUploadsDays: fc.integer({ min: 1, max: 100 }),
});
const anyForeign = fc.record({
  id: fc.constantFrom('logs', 'mine', 'lifeboat-tier-glacier:elsewhere', 'rule 1'),
  enabled: fc.boolean(),
  prefix: fc.constantFrom('', 'prod', 'prod/', 'prod/app/data/', 'other/', 'prod/app/locks/'),
  tags: fc.constantFrom<Record<string, string>>({}, { [tierTag]: 'GLACIER' }, { team: 'x' }),
  transitions: fc.constantFrom<LifecycleRule['transitions']>(
    [],
    [{ days: 3, date: null, storageClass: 'GLACIER' }],
  ),
  expiration: fc.constantFrom<LifecycleRule['expiration']>(null, { days: 3, date: null }),
  noncurrentExpirationDays: fc.constantFrom(null, 1, 5000),
});
const stored = (rule: LifecycleRule): StoredLifecycleRule => ({ ...rule, source: writtenRule(rule) });

describe('the rules that a repository wants', () => {
  it('cannot expire a current object, nor move what is not marked, nor what lies elsewhere', () => {
    fc.assert(
      fc.property(anyTiers, anyPolicy, anyRoot, (tiers, policy, root) => {
        for (const rule of wantedRules(tiers, policy, root)) {
          assert.equal(rule.expiration, null);
          assert.equal(couldExpire(rule, root), false);
          assert.ok(rule.prefix.startsWith(root));
          assert.ok(
            rule.noncurrentExpirationDays === null ||
              rule.noncurrentExpirationDays === policy.keepNoncurrentDays,
          );
          for (const { storageClass } of rule.transitions) {
            assert.equal(rule.prefix, `${root}data/`);
            assert.deepEqual(rule.tags, { [tierTag]: storageClass });
          }
          assert.ok(isOwnRule(rule.id, root) && rule.id.length <= 255);
          assert.deepEqual(dangersOf(rule, { root, ...policy }), []);
        }
      }),
    );
  });

  it('are understood again as they were written for S3', () => {
    fc.assert(
      fc.property(anyTiers, anyPolicy, anyRoot, (tiers, policy, root) => {
        for (const rule of wantedRules(tiers, policy, root))
          assert.ok(sameRule(ruleOf(writtenRule(rule)), rule));
      }),
    );
  });
});

describe('the plan of a lifecycle', () => {
  const foreignRules = fc
    .uniqueArray(anyForeign, { selector: ({ id }) => id, maxLength: 4 })
    .map((list) => list.map((more) => stored({ ...noRule, ...more })));

  it('keeps rules of others as they are, ends in what is wanted, and adds nothing that expires', () => {
    fc.assert(
      fc.property(foreignRules, anyTiers, anyTiers, anyPolicy, (foreign, before, after, policy) => {
        const root = 'prod/app/';
        const expectations = { root, keepNoncurrentDays: policy.keepNoncurrentDays };
        const present = [...foreign, ...wantedRules(before, policy, root).map(stored)];
        const wanted = wantedRules(after, policy, root);
        const plan = planLifecycle(present, wanted, expectations);
        for (const rule of foreign) assert.ok(plan.result.includes(rule));
        for (const rule of plan.result)
          assert.ok(!couldExpire(rule, root) || foreign.includes(rule as StoredLifecycleRule));
        assert.equal(plan.result.length, foreign.length + wanted.length);
        const again = planLifecycle(plan.result.map(stored), wanted, expectations);
        assert.ok(changesNothing(again));
        assert.deepEqual(differencesOf(again), []);
      }),
    );
  });

  it('tells apart the rules of repositories below one another', () => {
    assert.ok(isOwnRule('lifeboat-tidy', ''));
    assert.ok(!isOwnRule('lifeboat-tidy:prod', ''));
    assert.ok(!isOwnRule('lifeboat-tidy', 'prod/'));
    assert.ok(!isOwnRule('lifeboat-tidy:prod/app', 'app/'));
    assert.ok(!isOwnRule('my lifeboat-tidy:prod', 'prod/'));
  });
});

describe('dangers', () => {
  const expectations = { root: 'prod/', keepNoncurrentDays: 30 };

  it('are named for every rule of others that could expire or archive what is needed', () => {
    fc.assert(
      fc.property(anyForeign, (more) => {
        const rule: LifecycleRule = { ...noRule, ...more };
        const found = dangersOf(rule, expectations);
        if (couldExpire(rule, 'prod/'))
          assert.ok(found.some(({ message }) => message.startsWith('deletes ')));
        if (!rule.enabled || rule.prefix === 'other/') assert.deepEqual(found, []);
        const archives = rule.transitions.some(({ storageClass }) => isArchiveClass(storageClass));
        const onAll = ['', 'prod', 'prod/'].includes(rule.prefix) && rule.enabled;
        if (archives && onAll) assert.ok(found.some(({ message }) => message.startsWith('moves ')));
      }),
    );
  });

  it('are warnings where they depend on tags that somebody else would have to set', () => {
    const [danger] = dangersOf(
      { ...noRule, id: 'x', tags: { team: 'y' }, expiration: { days: 1, date: null } },
      expectations,
    );
    assert.equal(danger?.severity, 'warning');
    assert.match(danger.message, /that somebody tags with team/);
  });
});
