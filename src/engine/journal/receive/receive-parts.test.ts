import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WalAlarm, WalEvent } from '../../../model/wal-event.ts';
import { createAlarms } from './alarms.ts';
import { createLagMeter } from './lag.ts';
import { parseSize } from './server.ts';
import { alarmsOf, type SlotState } from './slot-watch.ts';

const healthy: SlotState = {
  active: true,
  status: 'reserved',
  restart: '0/1000000',
  behindBytes: 100,
  safeBytes: null,
  syncState: 'async',
  applicationName: 'lifeboat_receiver',
};

describe('a slot', () => {
  const cases: [string, Partial<SlotState>, WalAlarm['kind'][]][] = [
    ['that is well raises no alarm', {}, []],
    ['that holds back too much does', { behindBytes: 2000 }, ['slot-behind']],
    ['that is extended without a limit does not', { status: 'extended' }, []],
    ['that is extended towards a limit does', { status: 'extended', safeBytes: 10 }, ['slot-status']],
    ['that is lost does', { status: 'lost', restart: null, behindBytes: null }, ['slot-status']],
    ['that commits wait for does', { syncState: 'quorum' }, ['synchronous']],
  ];
  for (const [name, change, kinds] of cases) {
    test(name, () => {
      const found = alarmsOf({ ...healthy, ...change }, 1000).map(({ kind }) => kind);
      assert.deepEqual(found, kinds);
    });
  }
});

test('an alarm is told when it begins, when it changes and when it ends', () => {
  const events: WalEvent[] = [];
  const alarms = createAlarms((event) => events.push(event));
  const behind = (bytes: number): WalAlarm => ({ kind: 'slot-behind', bytes, bytesMax: 1 });
  const status = (name: 'unreserved' | 'lost'): WalAlarm => ({
    kind: 'slot-status',
    status: name,
    safeBytes: null,
  });
  const kinds = ['slot-behind', 'slot-status'] as const;
  alarms.replace(kinds, [behind(2), status('unreserved')]);
  alarms.replace(kinds, [behind(3), status('unreserved')]);
  alarms.replace(kinds, [behind(4), status('lost')]);
  assert.deepEqual(alarms.standing(), [behind(4), status('lost')]);
  alarms.replace(kinds, [status('lost')]);
  assert.deepEqual(events, [
    { kind: 'alarm', alarm: behind(2) },
    { kind: 'alarm', alarm: status('unreserved') },
    { kind: 'alarm', alarm: status('lost') },
    { kind: 'alarm-cleared', alarm: 'slot-behind' },
  ]);
});

test('lag is the age of the oldest log that is not durable', () => {
  let now = 0;
  const lag = createLagMeter(() => now);
  assert.equal(lag.lagMs(0n), 0);
  lag.arrived(100n);
  now = 1000;
  lag.arrived(200n);
  now = 1500;
  assert.equal(lag.lagMs(0n), 1500);
  assert.equal(lag.lagMs(100n), 500);
  assert.equal(lag.lagMs(200n), 0);
});

test('sizes are read as SHOW prints them', () => {
  assert.equal(parseSize('16MB'), 16 << 20);
  assert.equal(parseSize('8192'), 8192);
  assert.equal(parseSize('1GB'), 1 << 30);
  assert.throws(() => parseSize('much'), { code: 'database-failed' });
});
