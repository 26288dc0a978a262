import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatBytes, formatDuration, formatPercent, plural } from './format.ts';
import { createRedactor } from './redact.ts';
import { formatTable } from './table.ts';
import { Output } from './terminal.ts';
import { recordingStream } from './testing.ts';
import { displayWidth, padToWidth, printable, truncateToWidth, wrap } from './text-width.ts';

describe('output', () => {
  it('goes to stdout for results and to stderr for warnings, in order', async () => {
    const both = recordingStream();
    const output = new Output({ stdout: both, stderr: both });
    output.line('one');
    output.warn('two');
    output.line('three');
    await output.close();
    assert.equal(both.text(), 'one\ntwo\nthree\n');
  });

  it('says as much as it is asked to', async () => {
    const said = async (settings: { verbosity: 0 | 1 | 2 | 3; json?: boolean }): Promise<string> => {
      const stdout = recordingStream();
      const output = new Output({ stdout, stderr: recordingStream(), ...settings });
      output.line('result');
      output.info('info');
      output.verbose('verbose');
      output.veryVerbose('very');
      output.infoOnTerminal('never here');
      await output.close();
      return stdout.text().trim().replaceAll('\n', ' ');
    };
    assert.equal(await said({ verbosity: 0 }), 'result');
    assert.equal(await said({ verbosity: 1 }), 'result info');
    assert.equal(await said({ verbosity: 2 }), 'result info verbose');
    assert.equal(await said({ verbosity: 3 }), 'result info verbose very');
    assert.equal(await said({ verbosity: 3, json: true }), 'result');
  });

  it('has colours on a terminal only, and not where NO_COLOR is set', () => {
    const styled = (stdout: { isTTY?: boolean }, env: Record<string, string> = {}, json = false): string =>
      new Output({ stdout: recordingStream(stdout), stderr: recordingStream(), env, json }).style('red', 'x');
    assert.notEqual(styled({ isTTY: true }), 'x');
    assert.equal(styled({}), 'x');
    assert.equal(styled({ isTTY: true }, { NO_COLOR: '1' }), 'x');
    assert.equal(styled({ isTTY: true }, { TERM: 'dumb' }), 'x');
    assert.equal(styled({ isTTY: true }, {}, true), 'x');
  });

  it('draws the status below what is printed, no wider than the terminal', async () => {
    const stdout = recordingStream({ isTTY: true, columns: 11 });
    const output = new Output({ stdout, stderr: recordingStream() });
    output.status(['0123456789abc', 'second']);
    output.line('message');
    output.status(['0123456789abc', 'second']);
    output.status([]);
    await output.close();
    assert.equal(
      stdout.text(),
      '0123456789\nsecond\r\x1b[1A' + '\x1b[Jmessage\n' + '0123456789\nsecond\r\x1b[1A' + '\x1b[J',
    );
  });

  it('has room for text on a terminal that does not tell its width', () => {
    const output = new Output({
      stdout: recordingStream({ isTTY: true, columns: 0 }),
      stderr: recordingStream(),
    });
    assert.equal(output.columns, 80);
  });

  it('hides secrets in warnings and status lines', async () => {
    const stdout = recordingStream();
    const stderr = recordingStream();
    const output = new Output({
      stdout,
      stderr,
      env: { RESTIC_PASSWORD: 'correct horse', HOME: '/home/someone' },
    });
    output.hide('battery staple');
    output.warn('correct horse battery staple /home/someone s3:https://me:pass@host/x');
    output.status(['battery staple']);
    await output.close();
    assert.equal(stderr.text(), '*** *** /home/someone s3:https://me:***@host/x\n');
    assert.equal(stdout.text(), '***\n');
  });

  it('leaves short words alone, which would give a password away by the gaps', () => {
    const redactor = createRedactor({ LIFEBOAT_PASSWORD: 'the' });
    assert.equal(redactor.redact('the file'), 'the file');
  });

  it('fails a write of bytes when the stream does', async () => {
    const stdout = {
      write: (_: string | Uint8Array, done?: (error?: Error | null) => void): boolean => {
        done?.(new Error('gone'));
        return false;
      },
    };
    await assert.rejects(new Output({ stdout, stderr: recordingStream() }).write(Buffer.from('x')), /gone/);
  });
});

describe('figures', () => {
  it('are printed as restic prints them', () => {
    const sizes: readonly [number, string][] = [
      [0, '0 B'],
      [1023, '1023 B'],
      [1024, '1.000 KiB'],
      [5.5 * 1024 ** 2, '5.500 MiB'],
      [1024 ** 3, '1.000 GiB'],
      [3 * 1024 ** 5, '3072.000 TiB'],
    ];
    for (const [bytes, shown] of sizes) assert.equal(formatBytes(bytes), shown);
    const spans: readonly [number, string][] = [
      [0, '0:00'],
      [59_999, '0:59'],
      [65_000, '1:05'],
      [3_725_000, '1:02:05'],
    ];
    for (const [ms, shown] of spans) assert.equal(formatDuration(ms), shown);
    assert.equal(formatPercent(1, 3), '33.33%');
    assert.equal(formatPercent(7, 5), '100.00%');
    assert.equal(formatPercent(0, 0), '');
    assert.equal(plural(1, 'file'), '1 file');
    assert.equal(plural(0, 'file'), '0 files');
  });
});

describe('text on a terminal', () => {
  it('is measured in cells', () => {
    assert.equal(displayWidth('日本'), 4);
    assert.equal(displayWidth('e\u0301'), 1);
    assert.equal(displayWidth('\x1b[31mred\x1b[39m'), 3);
    assert.equal(truncateToWidth('日本', 3), '日');
    assert.equal(padToWidth('日', 4), '日  ');
  });

  it('is wrapped at spaces', () => {
    assert.deepEqual(wrap('a bc def averylongword x', 6), ['a bc', 'def', 'averylongword', 'x']);
  });

  it('cannot play tricks with control characters', () => {
    assert.equal(printable('plain näme'), 'plain näme');
    assert.equal(printable('a\x1b[2Jb\n"'), '"a\\x1b[2Jb\\n\\""');
    assert.equal(printable('\u202etxt'), '"\\u{202e}txt"');
  });
});

describe('a table', () => {
  it('aligns its columns and cells of several lines', () => {
    assert.deepEqual(
      formatTable(
        ['ID', 'Paths'],
        [
          ['1', '/a\n/bb'],
          ['22', ''],
        ],
        '2 snapshots',
      ),
      ['ID  Paths', '---------', '1   /a', '    /bb', '22', '---------', '2 snapshots'],
    );
  });
});
