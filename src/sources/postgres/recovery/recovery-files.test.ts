import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { settingIn } from './config-files.ts';
import { flattenConfiguration } from './kept-configuration.ts';
import { canSyncFilesystem } from './recovery-server.ts';
import { recoverySettingLines } from './recovery-settings.ts';
import { readRecoveryLog } from './server-log.ts';
import {
  quoteSetting,
  withCopySettings,
  withoutRecoverySettings,
  withRecoverySettings,
} from './settings-file.ts';
import { createSpool, type Spool } from './spool.ts';
import { formatTablespaceMap } from './tablespace-map.ts';

test('whole file systems are synced only by servers and kernels that tell of errors', () => {
  assert.equal(canSyncFilesystem(14, 'linux', '5.8.0'), true);
  assert.equal(canSyncFilesystem(18, 'linux', '6.1.0-18-amd64'), true);
  assert.equal(canSyncFilesystem(13, 'linux', '6.1.0'), false);
  assert.equal(canSyncFilesystem(15, 'linux', '5.7.19'), false);
  assert.equal(canSyncFilesystem(15, 'linux', '4.18.0-553.el8'), false);
  assert.equal(canSyncFilesystem(15, 'darwin', '24.1.0'), false);
});

describe('postgresql.auto.conf', () => {
  const before = "work_mem = '4MB'\nrestore_command = 'old'\n  recovery_target_time = '2020'\nport = 5433";

  test('gets the settings of a recovery in a block, which comes out again without a trace', () => {
    const during = withRecoverySettings(before, [['restore_command', "mv 'a' \\b"]]);
    assert.equal(during.match(/restore_command/g)?.length, 1);
    assert.match(during, /restore_command = 'mv ''a'' \\\\b'/);
    assert.equal(withoutRecoverySettings(during), "work_mem = '4MB'\nport = 5433\n");
    assert.equal(withRecoverySettings(during, [['restore_command', "mv 'a' \\b"]]), during);
  });

  test('keeps what a copy needs in a block of its own, while a recovery comes and goes', () => {
    const copy = withCopySettings(before, [['port', '5440']]);
    assert.match(copy, /\nport = 5433\n# begin of settings of this copy.*\nport = '5440'\n# end/);
    const during = withRecoverySettings(copy, [['restore_command', 'x']]);
    const after = withoutRecoverySettings(during);
    assert.match(after, /port = '5440'/);
    assert.doesNotMatch(after, /restore_command/);
    assert.equal(
      withCopySettings(after, [['port', '5441']])
        .match(/54\d\d/g)
        ?.join(),
      '5433,5441',
    );
    assert.equal(withCopySettings(after, []), "work_mem = '4MB'\nport = 5433\n");
  });

  test('holds one target, behind those that are emptied', () => {
    const lines = recoverySettingLines({
      stopAt: { kind: 'xid', xid: 9n },
      inclusive: false,
      timeline: 3,
      restoreCommand: 'x',
      standby: false,
    });
    const names = lines.map(([name]) => name);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(lines.at(-1), ['recovery_target_xid', '9']);
    const emptied = lines.filter(([, value]) => value === '').map(([name]) => name);
    assert.deepEqual(emptied, [
      'recovery_target',
      'recovery_target_time',
      'recovery_target_lsn',
      'recovery_target_name',
    ]);
  });

  test('has values that are read back as they were', () => {
    assert.equal(
      settingIn(`a = 1\ndata_directory=${quoteSetting("/it's")} # here`, 'data_directory'),
      "/it's",
    );
    assert.equal(settingIn('port 5433', 'port'), '5433');
    assert.equal(settingIn('#port = 1', 'port'), null);
  });
});

test('configuration that was spread over files becomes one that stays in its data directory', () => {
  const files = new Map([
    [
      '/etc/pg/postgresql.conf',
      "data_directory = '/var/x'\n hba_file='/etc/pg/pg_hba.conf'\nport = 5433 # mine\ninclude_dir = 'conf.d'\ninclude 'gone.conf'\nwork_mem = 1MB",
    ],
    ['/etc/pg/conf.d/b.conf', 'work_mem = 3MB'],
    ['/etc/pg/conf.d/a.conf', "include '../shared.conf'\n"],
    ['/etc/pg/conf.d/.hidden.conf', 'port = 1'],
    ['/etc/pg/shared.conf', "external_pid_file = '/run/x'\nport = 5444\ninclude_if_exists 'shared.conf'\n"],
  ]);
  const flat = flattenConfiguration('/etc/pg/postgresql.conf', files);
  const settings = flat.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(settings.slice(0, 2), ['port = 5433 # mine', 'port = 5444']);
  assert.deepEqual(settings.slice(-2), ['work_mem = 3MB', 'work_mem = 1MB']);
  assert.equal(settingIn(flat, 'port'), '5444');
  assert.match(flat, /^# data_directory = .*\n# {2}hba_file=/);
  assert.match(flat, /# \/etc\/pg\/gone\.conf is not in the backup/);
});

test('a tablespace map escapes what its reader takes for the end of a line', () => {
  assert.equal(formatTablespaceMap([{ oid: 7, path: '/a\\b\nc' }]), '7 /a\\\\b\\\nc\n');
});

describe('the log of a server in recovery', () => {
  const at = '2026-11-20 13:00:00.000 UTC [7] ';

  test('tells where it stopped', () => {
    const log = readRecoveryLog(
      [
        `${at}LOG:  redo starts at 0/1000028`,
        `${at}LOG:  redo in progress, elapsed time: 1.00 s, current LSN: 0/2000000`,
        `${at}LOG:  recovery stopping before commit of transaction 742, time 2026-11-20 13:00:00.5+00`,
        `${at.replace('00.000', '02.250')}LOG:  redo done at 0/3000060 system usage: CPU`,
        `${at}LOG:  last completed transaction was at log time 2026-11-20 12:59:59.25+00`,
        `${at}LOG:  selected new timeline ID: 4`,
      ].join('\n'),
    );
    assert.match(log.stopped ?? '', /^stopping before commit/);
    assert.deepEqual(log.stoppedAt, { xid: 742, time: '2026-11-20 13:00:00.5+00', lsn: null });
    assert.deepEqual([log.redoDone, log.newTimeline, log.failure], [0x3000060n, 4, null]);
    assert.equal(log.replayMs, 2250);
  });

  test('tells what it failed of, and not that a client came early', () => {
    const log = readRecoveryLog(
      [
        `${at}FATAL:  the database system is starting up`,
        `${at}FATAL:  recovery ended before configured recovery target was reached`,
        `${at}LOG:  startup process (PID 8) exited with exit code 1`,
      ].join('\n'),
    );
    assert.equal(log.replayMs, null);
    assert.deepEqual(
      [log.failure, log.targetNotReached],
      ['recovery ended before configured recovery target was reached', true],
    );
  });
});

describe('the spool of a recovery', () => {
  function spoolFor(t: TestContext, silenceMs: number): { spool: Spool; data: string } {
    const data = mkdtempSync(join(tmpdir(), 'lifeboat-spool-'));
    t.after(() => rmSync(data, { recursive: true }));
    mkdirSync(join(data, 'pg_wal'));
    const spool = createSpool(data, null, silenceMs);
    t.after(() => spool.close());
    return { spool, data };
  }

  /** As PostgreSQL runs a restore_command. */
  async function fetch(data: string, spool: Spool, name: string): Promise<number | null> {
    const command = spool.restoreCommand.replaceAll('%f', name).replaceAll('%p', 'pg_wal/RECOVERYXLOG');
    const child = spawn('/bin/sh', ['-c', command], { cwd: data, stdio: 'ignore' });
    return (await once(child, 'exit'))[0] as number | null;
  }

  const [first, second] = ['000000010000000000000001', '000000010000000000000002'] as const;

  test('hands out what is there once, and says of other names that they are absent', async (t) => {
    const { spool, data } = spoolFor(t, 5000);
    await spool.publish(first, Buffer.from('wal'));
    assert.equal(await fetch(data, spool, first), 0);
    assert.equal(readFileSync(join(data, 'pg_wal/RECOVERYXLOG'), 'utf8'), 'wal');
    assert.equal(await fetch(data, spool, first), 1);
    assert.equal(await fetch(data, spool, second), 1);
  });

  test('hands out histories as often as they are asked for', async (t) => {
    const { spool, data } = spoolFor(t, 5000);
    spool.addHistory('00000002.history', Buffer.from('1\t0/1\tx\n'));
    for (let time = 0; time < 2; time++) assert.equal(await fetch(data, spool, '00000002.history'), 0);
    assert.equal(await fetch(data, spool, '00000003.history'), 1);
  });

  test('lets whoever asks wait for what was announced', async (t) => {
    const { spool, data } = spoolFor(t, 5000);
    spool.announce([first]);
    const waiting = fetch(data, spool, first);
    await sleep(120);
    await spool.publish(first, Buffer.from('late'));
    assert.equal(await waiting, 0);
    assert.equal(readFileSync(join(data, 'pg_wal/RECOVERYXLOG'), 'utf8'), 'late');
    assert.equal(existsSync(join(spool.folder, `${first}.coming`)), false);
  });

  test('makes a server stop rather than end its recovery where nobody feeds it any more', async (t) => {
    const { spool, data } = spoolFor(t, 300);
    spool.announce([first, second]);
    spool.close();
    assert.equal(await fetch(data, spool, first), 255);
    spool.abort('the log could not be fetched');
    assert.equal(await fetch(data, spool, second), 255);
  });
});
