import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObjectProtection } from '../../model/retention.ts';
import {
  type CandidateObject,
  isExtensionDue,
  isYoung,
  planExtension,
  samplesOf,
  wasStoredUnder,
} from './extension.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 2, 1);
const policy = { mode: 'compliance', forMs: 40 * dayMs } as const;
const left = (days: number, mode: 'governance' | 'compliance' = 'compliance') => ({
  mode,
  untilMs: nowMs + days * dayMs,
});
const candidate = (key: string, ageDays = 20): CandidateObject => ({
  key,
  size: 10,
  versionId: 'v',
  modifiedMs: nowMs - ageDays * dayMs,
});
const protectedBy = (retention: ObjectProtection['retention']): ObjectProtection => ({
  versionId: 'v',
  retention,
  legalHold: false,
});

describe('an extension', () => {
  test('is due when the config has less than three quarters left, or nothing tells when the last one was', () => {
    assert.equal(isExtensionDue(left(31), policy, nowMs), false);
    assert.equal(isExtensionDue(left(29), policy, nowMs), true);
    assert.equal(isExtensionDue(null, policy, nowMs), true);
    assert.equal(isExtensionDue(left(39, 'governance'), policy, nowMs), true);
    assert.equal(isExtensionDue(left(39), { ...policy, mode: 'governance' }, nowMs), false);
    assert.equal(
      isExtensionDue(left(400), policy, nowMs),
      true,
      'somebody may have set it to stop extensions',
    );
  });

  test('takes what has less than three quarters left, and the config last', () => {
    const [config, short, long, open, over] = [
      'config',
      'data/short',
      'data/long',
      'data/open',
      'data/over',
    ].map((key) => candidate(key)) as [
      CandidateObject,
      CandidateObject,
      CandidateObject,
      CandidateObject,
      CandidateObject,
    ];
    const protections = new Map([
      [config, protectedBy(left(25))],
      [short, protectedBy(left(29))],
      [long, protectedBy(left(31))],
      [open, protectedBy(null)],
      [over, protectedBy(left(-1))],
    ]);
    const plan = planExtension([config, short, long, open, over], protections, policy, nowMs);
    assert.deepEqual(
      plan.extend.map(({ key }) => key),
      ['data/short', 'data/open', 'data/over', 'config'],
    );
    assert.equal(plan.kept, 1);
    assert.equal(plan.unprotected, 2);
    assert.equal(plan.extendBytes, 40);
    assert.equal(plan.untilMs, nowMs + policy.forMs);
  });

  test('raises governance to compliance, and never the other way round', () => {
    const object = candidate('data/a');
    const planned = (mode: 'governance' | 'compliance', found: ObjectProtection['retention']) =>
      planExtension([object], new Map([[object, protectedBy(found)]]), { ...policy, mode }, nowMs).extend[0];
    assert.equal(planned('compliance', left(39, 'governance'))?.mode, 'compliance');
    assert.equal(planned('governance', left(10, 'compliance'))?.mode, 'compliance');
    assert.equal(planned('governance', left(39, 'compliance')), undefined);
  });

  test('leaves what was not asked about: it is young', () => {
    const object = candidate('data/a', 1);
    assert.equal(isYoung(object, policy, nowMs), true);
    assert.equal(isYoung(candidate('data/b', 10.1), policy, nowMs), false);
    assert.deepEqual(planExtension([object], new Map(), policy, nowMs).extend, []);
  });

  test('asks about a few of the young ones, the oldest among them, whether the policy was the same', () => {
    const young = Array.from({ length: 1000 }, (_, n) => candidate(`data/${n}`, n / 200));
    const samples = samplesOf(young);
    assert.ok(samples.length <= 8);
    assert.ok(samples.includes(young[999]!));
    assert.deepEqual(samplesOf(young.slice(0, 1)), [young[0]]);
    assert.deepEqual(samplesOf([]), []);
    const object = candidate('data/a', 5);
    assert.equal(wasStoredUnder(policy, object, protectedBy(left(35))), true);
    assert.equal(wasStoredUnder(policy, object, protectedBy(left(80))), true);
    assert.equal(wasStoredUnder(policy, object, protectedBy(left(20))), false, 'the policy was shorter');
    assert.equal(wasStoredUnder(policy, object, protectedBy(left(35, 'governance'))), false);
    assert.equal(wasStoredUnder(policy, object, protectedBy(null)), false, 'by a program without the policy');
  });
});
