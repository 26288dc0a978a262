import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import type { Archive } from '../../src/storage/archive.ts';
import type { Bucket } from '../../src/storage/bucket.ts';
import { withoutWrites } from '../../src/storage/dry-run.ts';
import { withAppendOnly } from '../../src/storage/layers/append-only.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import type { Vault } from '../../src/storage/vault.ts';

const folder = mkdtempSync(join(tmpdir(), 'append-only-'));
after(() => rmSync(folder, { recursive: true }));
const refused = (error: unknown): boolean => hasCode(error, 'storage-append-only');
const [one, two] = [Buffer.from('one'), Buffer.from('two')];

describe('an append-only storage', () => {
  const inner = localStorage(folder);
  const storage = withAppendOnly(inner);

  test('takes what is new, and the same once more', async () => {
    await storage.create();
    await storage.save('snapshots/a', [one]);
    await storage.save('snapshots/a', [one.subarray(0, 1), one.subarray(1)]);
    assert.equal(String(await storage.load('snapshots/a')), 'one');
  });

  test('refuses to replace and to delete, also what is as large', async () => {
    await assert.rejects(storage.save('snapshots/a', [two]), refused);
    await assert.rejects(storage.save('snapshots/a', []), refused);
    await assert.rejects(storage.remove('snapshots/a'), refused);
    await assert.rejects(storage.remove('config'), refused);
    await assert.rejects(storage.remove('lifeboat/locks/a'), refused);
    assert.equal(String(await inner.load('snapshots/a')), 'one');
  });

  test('lets locks come and go', async () => {
    await storage.save('locks/a', [one]);
    await storage.save('locks/a', [two]);
    await storage.remove('locks/a');
    assert.deepEqual(await storage.list('locks/'), []);
  });

  test('lets the heartbeat of a journal be replaced, but not deleted', async () => {
    const heartbeat = 'lifeboat/journal/app/7001/heartbeat';
    await storage.save(heartbeat, [one]);
    await storage.save(heartbeat, [two]);
    await assert.rejects(storage.remove(heartbeat), refused);
    assert.equal(String(await storage.load(heartbeat)), 'two');
    await storage.save('lifeboat/journal/app/7001/history/00000002.history.0', [one]);
    await assert.rejects(
      storage.save('lifeboat/journal/app/7001/history/00000002.history.0', [two]),
      refused,
    );
  });

  test('lets protection grow, and not shrink', async () => {
    const asked: string[] = [];
    const note = (name: string) => async (): Promise<never> => void asked.push(name) as never;
    const vault: Vault = {
      policy: null,
      facts: note('facts'),
      protection: note('protection'),
      extend: note('extend'),
      setLegalHold: note('setLegalHold'),
      versions: note('versions'),
      loadVersion: note('loadVersion'),
      removeVersion: note('removeVersion'),
      tryToShorten: note('tryToShorten'),
    };
    const { vault: kept } = withAppendOnly({ ...inner, vault });
    const retention = { mode: 'governance', untilMs: 1 } as const;
    await kept!.extend('a', retention);
    await kept!.setLegalHold('a', true);
    await assert.rejects(kept!.setLegalHold('a', false), refused);
    await assert.rejects(kept!.removeVersion('a', '1'), refused);
    await assert.rejects(kept!.tryToShorten('a', retention, {}), refused);
    assert.deepEqual(asked, ['extend', 'setLegalHold']);
    const { vault: dry } = withoutWrites({ ...inner, vault });
    await dry!.extend('a', retention);
    await dry!.setLegalHold('a', false);
    await dry!.removeVersion('a', '1');
    await dry!.tryToShorten('a', retention, {});
    await dry!.versions('');
    assert.deepEqual(asked.slice(2), ['versions']);
  });

  test('looks at its bucket and brings archived objects back, but changes neither rules nor tags', async () => {
    const asked: string[] = [];
    const note = (name: string) => async (): Promise<never> => void asked.push(name) as never;
    const bucket: Bucket = {
      name: 'b',
      root: '',
      isAws: false,
      lifecycle: note('lifecycle'),
      replaceLifecycle: note('replaceLifecycle'),
      replication: note('replication'),
      replicationStatus: note('replicationStatus'),
      versioning: note('versioning'),
    };
    const archive: Archive = {
      list: note('list'),
      state: note('state'),
      request: note('request'),
      mark: note('mark'),
      setMark: note('setMark'),
    };
    const wanted = { days: 1, speed: 'bulk' } as const;
    const kept = withAppendOnly({ ...inner, bucket, archive });
    await assert.rejects(kept.bucket!.replaceLifecycle([]), refused);
    await assert.rejects(kept.archive!.setMark('data/aa/a', 'tag', 'x'), refused);
    await kept.bucket!.lifecycle();
    await kept.archive!.request('data/aa/a', wanted);
    assert.deepEqual(asked.splice(0), ['lifecycle', 'request']);
    const dry = withoutWrites({ ...inner, bucket, archive });
    await dry.bucket!.replaceLifecycle([]);
    await dry.archive!.setMark('data/aa/a', 'tag', 'x');
    await dry.archive!.request('data/aa/a', wanted);
    await dry.archive!.list('data/');
    assert.deepEqual(asked, ['list']);
  });

  test('keeps the first of two that are saved at once under one name', async () => {
    const results = await Promise.allSettled([
      storage.save('data/aa/x', [one]),
      storage.save('data/aa/x', [two]),
      storage.save('data/aa/x', [one]),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal(String(await inner.load('data/aa/x')), 'one');
  });
});
