import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LifeboatError } from '../core/errors.ts';
import { commandGroups, commandTable } from './command-table.ts';
import { globalOptionsOf, globalOptionTable } from './global-options.ts';
import { parseArguments } from './parse-options.ts';
import { asLifeboatError, reportError } from './report-error.ts';
import { Output } from './terminal.ts';
import { recordingStream, runForTest } from './testing.ts';
import { lifeboatVersion } from './version.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

describe('the command line', () => {
  it('lists the commands without one, and on request', async () => {
    for (const args of [[], ['help'], ['--help'], ['-h']]) {
      const { status, stdout, stderr } = await runForTest(args);
      assert.equal(status, 0);
      assert.equal(stderr, '');
      for (const name of Object.keys(commandTable)) assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    }
  });

  it('explains every command, within the width of the terminal', async () => {
    const names: string[][] = [];
    for (const [name, listing] of Object.entries(commandTable)) {
      names.push([name]);
      const command = await listing.load();
      assert.equal(command.name, name);
      if (command.kind === 'family')
        names.push(...Object.keys(command.members).map((member) => [name, member]));
    }
    for (const words of names) {
      const { status, stdout } = await runForTest([...words, '--help']);
      assert.equal(status, 0, words.join(' '));
      assert.match(stdout, /^Usage:$/m, words.join(' '));
      assert.equal((await runForTest(['help', ...words])).stdout, stdout);
    }
  });

  it('explains options and errors', async () => {
    assert.match((await runForTest(['help', 'options'])).stdout, /--password-file FILE/);
    assert.match((await runForTest(['help', 'password-wrong'])).stdout, /Exit status 12/);
  });

  it('suggests the nearest command and option', async () => {
    const misspelt = await runForTest(['verison']);
    assert.equal(misspelt.status, 1);
    assert.match(
      misspelt.stderr,
      /^Fatal: unknown command "lifeboat verison"; did you mean version\?\n {2}hint: /,
    );
    assert.match((await runForTest(['version', '--jsn'])).stderr, /did you mean --json\?/);
    assert.match(
      (await runForTest(['version', 'now'])).stderr,
      /unexpected argument "now"; usage: lifeboat version/,
    );
  });

  it('takes global options before the command too', async () => {
    const { stdout } = await runForTest(['-r', 'version', '--json', 'version']);
    assert.equal(JSON.parse(stdout).version, lifeboatVersion());
  });

  it('reports errors as JSON where JSON is asked for', async () => {
    const { status, stderr } = await runForTest(['--json', 'nonsense']);
    assert.equal(status, 1);
    const { message_type, code, message } = JSON.parse(stderr);
    assert.deepEqual([message_type, code, message], ['exit_error', 1, 'unknown command "lifeboat nonsense"']);
  });

  it('has a summary for every command, on one line', () => {
    for (const { members } of commandGroups) {
      for (const [name, { summary }] of Object.entries(members)) assert.match(summary, /^[^\n]{5,70}$/, name);
    }
  });

  it('ends with the status of an interruption when it was interrupted', async () => {
    const { status, stderr } = await runForTest(['version'], { signal: AbortSignal.abort() });
    assert.equal(status, 130);
    assert.match(stderr, /^Fatal: interrupted/);
  });
});

describe('the global options', () => {
  const parse = (args: string[], env: Record<string, string> = {}) =>
    globalOptionsOf(parseArguments(args, globalOptionTable, env));

  it('have restic’s names, and variables under both names', () => {
    const options = parse(
      ['-r', '/r', '-vv', '--retry-lock', '5m', '--pack-size=32', '--compression', 'max'],
      {
        RESTIC_PASSWORD_FILE: '/p',
        LIFEBOAT_KEY_HINT: 'ab',
        RESTIC_KEY_HINT: 'cd',
        RESTIC_FEATURES: 'anything',
      },
    );
    assert.equal(options.repository, '/r');
    assert.equal(options.verbosity, 3);
    assert.equal(options.retryLockMs, 300_000);
    assert.equal(options.packBytes, 32 * 1024 * 1024);
    assert.equal(options.compression, 'max');
    assert.equal(options.passwordFile, '/p');
    assert.equal(options.keyHint, 'ab');
    assert.equal(options.json, false);
  });

  it('say how much is said', () => {
    assert.equal(parse([]).verbosity, 1);
    assert.equal(parse(['-q']).verbosity, 0);
    assert.equal(parse(['-v']).verbosity, 2);
    assert.throws(() => parse(['-q', '-v']), /contradict/);
  });

  it('exclude each other only where both are given in the same way', () => {
    assert.throws(
      () => parse(['-r', '/r', '--repository-file', '/f']),
      /--repo and --repository-file exclude each other/,
    );
    const options = parse(['--repository-file', '/f', '--password-command', 'c'], {
      RESTIC_REPOSITORY: '/r',
      RESTIC_PASSWORD_FILE: '/p',
    });
    assert.deepEqual([options.repository, options.repositoryFile], [undefined, '/f']);
    assert.deepEqual([options.passwordFile, options.passwordCommand], [undefined, 'c']);
  });

  it('are refused in the environment too', () => {
    assert.throws(() => parse([], { RESTIC_PACK_SIZE: '512' }), /invalid value "512" for RESTIC_PACK_SIZE/);
    assert.throws(() => parse([], { RESTIC_COMPRESSION: 'zip' }), /one of auto/);
  });
});

describe('an error at the edge', () => {
  const report = (error: LifeboatError, env: Record<string, string> = {}): string => {
    const stderr = recordingStream();
    reportError(error, new Output({ stdout: recordingStream(), stderr, env }), env);
    return stderr.text();
  };

  it('says what happened, what to do, and where to read more', () => {
    assert.equal(
      report(new LifeboatError('password-wrong', 'wrong password', { hint: 'try another' })),
      'Fatal: wrong password\n  hint: try another\n  more: lifeboat help password-wrong\n',
    );
  });

  it('is a warning when a snapshot was saved all the same', () => {
    assert.match(
      report(new LifeboatError('incomplete-backup', 'two files were not read')),
      /^Warning: two files/,
    );
  });

  it('shows where it came from when that is asked for', () => {
    const shown = report(new LifeboatError('internal', 'outer', { cause: new Error('inner') }), {
      LIFEBOAT_DEBUG: '1',
    });
    assert.match(shown, /LifeboatError: outer\n {4}at /);
    assert.match(shown, /caused by: Error: inner\n {4}at /);
  });

  it('is an internal one when nobody gave it a code', () => {
    const { signal } = new AbortController();
    assert.equal(asLifeboatError(new TypeError('x'), signal).code, 'internal');
    assert.equal(asLifeboatError('thrown text', signal).message, 'thrown text');
    assert.equal(asLifeboatError(new DOMException('', 'AbortError'), signal).code, 'cancelled');
  });
});

describe('the process', () => {
  const env = { PATH: process.env.PATH ?? '' };

  it('answers version and fails with a status', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, '--version'], { env });
    assert.match(stdout, /^lifeboat \d+\.\d+\.\d+ on Node\.js v\d+/);
    await assert.rejects(
      promisify(execFile)(process.execPath, [main, 'nonsense'], { env }),
      (error: { code?: unknown }) => error.code === 1,
    );
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, [main, 'help', 'options'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const [status] = await once(child, 'close');
    assert.ok(status === 141 || status === 0, String(status));
    assert.equal(stderr, '');
  });
});
