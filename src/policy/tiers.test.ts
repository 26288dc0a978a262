import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Tier, tierKeeps } from '../model/configuration.ts';
import type { Id } from '../model/id.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import { rankOf, type StorageClass, storageClassNames } from '../model/storage-class.ts';
import { parseTime } from '../model/time.ts';
import { applyPolicy } from './retention.ts';
import { formatTierSpan, parseTierSpan, placeInTiers, retentionOfTiers, tierProblems } from './tiers.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2026-11-20T12:00:00Z');
const now = parseTime('2026-11-20T12:00:01Z');

const snapshot = (ageDays: number, more: Partial<StoredSnapshot> = {}): StoredSnapshot => ({
  id: String(ageDays).padStart(64, '0') as Id,
  time: new Date(nowMs - ageDays * dayMs).toISOString(),
  paths: ['/srv'],
  hostname: 'host',
  ...more,
});

const tier = (keep: Tier['keep'], span: string, storageClass: StorageClass): Tier => ({
  keep,
  for: parseTierSpan(span),
  class: storageClass,
});

const usual = [
  tier('daily', '30d', 'STANDARD'),
  tier('weekly', '90d', 'STANDARD_IA'),
  tier('monthly', '1y', 'GLACIER'),
  tier('yearly', '7y', 'DEEP_ARCHIVE'),
];

describe('tiers', () => {
  it('put a snapshot into the hottest one that keeps it, and say why', () => {
    const placed = placeInTiers(
      Array.from({ length: 1200 }, (_, age) => snapshot(age)),
      usual,
      now,
    );
    const inClass = (name: StorageClass | null) => placed.filter((each) => each.class === name);
    assert.equal(inClass('STANDARD').length, 30);
    assert.deepEqual([placed[0]?.tier, placed[0]?.reason], [0, 'daily within 30d']);
    for (const { snapshot: each, reason } of inClass('STANDARD_IA')) {
      assert.ok(Number(each.id) >= 30 && Number(each.id) < 90);
      assert.match(reason, /weekly within 90d/);
    }
    // The newest of each month within a year; those of November and October are in hotter tiers.
    assert.deepEqual(
      inClass('GLACIER').map(({ snapshot: each }) => each.time.slice(0, 7)),
      [
        '2026-09',
        '2026-08',
        '2026-07',
        '2026-06',
        '2026-05',
        '2026-04',
        '2026-03',
        '2026-02',
        '2026-01',
        '2025-12',
        '2025-11',
      ],
    );
    assert.ok(inClass('GLACIER').every(({ snapshot: each }) => Number(each.id) < 366));
    assert.deepEqual(
      inClass('DEEP_ARCHIVE').map(({ snapshot: each }) => each.time.slice(0, 4)),
      // The newest of each year, and the oldest snapshot of all.
      ['2024', '2023', '2023'],
    );
    assert.match(inClass(null)[0]!.reason, /no tier keeps it/);
  });

  it('count for each host and its paths, as `forget` does', () => {
    const placed = placeInTiers(
      [snapshot(0), snapshot(0, { hostname: 'other', id: 'f'.repeat(64) as Id })],
      usual,
      now,
    );
    assert.deepEqual(
      placed.map((each) => each.class),
      ['STANDARD', 'STANDARD'],
    );
  });

  it('say what contradicts itself', () => {
    assert.deepEqual(tierProblems(usual), []);
    assert.match(
      tierProblems(usual.toReversed())
        .map(({ message }) => message)
        .join('\n'),
      /is hotter than/,
    );
    assert.match(tierProblems([usual[2]!])[0]!.message, /cannot be GLACIER/);
  });

  it('are written in days, weeks, months or years', () => {
    for (const text of ['30d', '18mo', '7y']) assert.equal(formatTierSpan(parseTierSpan(text)), text);
    assert.equal(formatTierSpan(parseTierSpan('2w')), '14d');
    for (const text of ['', '0d', '30', '30m', '-1d', '1h'])
      assert.throws(() => parseTierSpan(text), /such as 30d/);
  });

  const anyTiers = fc
    .array(
      fc.record({
        keep: fc.constantFrom(...tierKeeps),
        days: fc.integer({ min: 1, max: 900 }),
        class: fc.constantFrom(...storageClassNames),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((list) => {
      const classes = list.map((each) => each.class).sort((a, b) => rankOf(a) - rankOf(b));
      const spans = list.map((each) => each.days).sort((a, b) => a - b);
      return list.map(({ keep }, n): Tier => tier(keep, `${spans[n]}d`, classes[n]!));
    });
  const anyAges = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 });

  it('keep exactly what the retention keeps that they imply', () => {
    fc.assert(
      fc.property(anyAges, anyTiers, (ages, tiers) => {
        const snapshots = ages.map((age) => snapshot(age));
        const kept = new Set(applyPolicy(snapshots, retentionOfTiers(tiers), now).keep.map(({ id }) => id));
        for (const { snapshot: each, tier: place } of placeInTiers(snapshots, tiers, now))
          assert.equal(place !== null, kept.has(each.id), each.time);
      }),
    );
  });

  it('never put a snapshot into a colder class than any tier that keeps it', () => {
    fc.assert(
      fc.property(anyAges, anyTiers, (ages, tiers) => {
        const snapshots = ages.map((age) => snapshot(age));
        const placed = placeInTiers(snapshots, tiers, now);
        for (const [n, one] of tiers.entries()) {
          const kept = new Set(applyPolicy(snapshots, retentionOfTiers([one]), now).keep.map(({ id }) => id));
          for (const { snapshot: each, tier: place } of placed) if (kept.has(each.id)) assert.ok(place! <= n);
        }
      }),
    );
  });
});
