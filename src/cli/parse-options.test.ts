import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { editDistance, nearest } from '../core/suggest.ts';
import { parseChoice, parseDurationMs, parsePercent, parseWholeNumber } from './option-values.ts';
import { count, flag, text, texts, value, valueOr } from './options.ts';
import { firstPositional, parseArguments } from './parse-options.ts';

const table = {
  'dry-run': flag({ short: 'n', help: '' }),
  verbose: count({ short: 'v', help: '' }),
  repo: text({ short: 'r', placeholder: 'LOCATION', help: '', env: ['FIRST', 'SECOND'] }),
  tag: texts({ placeholder: 'TAG', help: '' }),
  retry: valueOr({ placeholder: 'D', help: '', fallback: 0, parse: parseDurationMs }),
  size: value({ placeholder: 'N', help: '', env: ['SIZE'], parse: parseWholeNumber(1, 9) }),
};

const parse = (args: string[], env: Record<string, string> = {}) => parseArguments(args, table, env);
const refused = (args: string[], message: RegExp, env: Record<string, string> = {}): void => {
  assert.throws(
    () => parse(args, env),
    (error) => hasCode(error, 'usage') && message.test(error.message),
    args.join(' '),
  );
};

describe('arguments', () => {
  it('are read in any order, with short and long options', () => {
    const { values, positionals } = parse([
      '/a',
      '-n',
      '--tag',
      'x',
      '-r',
      '/repo',
      '/b',
      '--tag=y,z',
      '-vv',
    ]);
    assert.deepEqual(values, {
      dryRun: true,
      verbose: 2,
      repo: '/repo',
      tag: ['x', 'y,z'],
      retry: 0,
      size: undefined,
    });
    assert.deepEqual(positionals, ['/a', '/b']);
  });

  it('may hold a value right after a short option, or after an equals sign', () => {
    for (const args of [['-r/repo'], ['-r=/repo'], ['--repo=/repo'], ['-nr', '/repo'], ['-nr/repo']]) {
      assert.equal(parse(args).values.repo, '/repo', args.join(' '));
    }
  });

  it('may have a value that looks like an option', () => {
    assert.deepEqual(parse(['--tag', '-x', '--tag', '--']).values.tag, ['-x', '--']);
  });

  it('are no options after two dashes, and a lone dash is none', () => {
    assert.deepEqual(parse(['-n', '--', '-v', '--x']).positionals, ['-v', '--x']);
    assert.deepEqual(parse(['-']).positionals, ['-']);
  });

  it('count, and can be switched off', () => {
    assert.equal(parse(['--verbose=2']).values.verbose, 2);
    assert.equal(parse(['-v', '--verbose']).values.verbose, 2);
    assert.equal(parse(['-n', '--dry-run=false']).values.dryRun, false);
  });

  it('beat the environment, where the first variable that is set counts', () => {
    const env = { FIRST: '', SECOND: 'two' };
    assert.equal(parse([], env).values.repo, 'two');
    assert.equal(parse([], { ...env, FIRST: 'one' }).values.repo, 'one');
    assert.equal(parse(['-r', 'given'], env).values.repo, 'given');
    assert.deepEqual(
      [...parse(['-n'], env).origins],
      [
        ['dry-run', 'argument'],
        ['repo', 'environment'],
      ],
    );
    assert.equal(parse(['--repo='], env).values.repo, '');
  });

  it('are refused with a reason', () => {
    refused(['--dry-rnu'], /^unknown option --dry-rnu; did you mean --dry-run\?$/);
    refused(['-x'], /^unknown option -x$/);
    refused(['--__proto__'], /^unknown option --__proto__$/);
    refused(['--constructor=1'], /^unknown option --constructor$/);
    refused(['--repo'], /^option --repo needs a value \(LOCATION\)$/);
    refused(['--size', '10'], /^invalid value "10" for --size: expected a whole number from 1 to 9$/);
    refused(['--retry', '5'], /^invalid value "5" for --retry: expected a duration/);
    refused([], /^invalid value "x" for SIZE: /, { SIZE: 'x' });
    refused(['--dry-run=maybe'], /expected true or false/);
  });

  it('tell the command by the first that is no option and no value', () => {
    assert.deepEqual(firstPositional(['-r', '/repo', '-v', 'backup', 'x'], table), {
      text: 'backup',
      index: 3,
    });
    assert.equal(firstPositional(['--repo'], table), undefined);
  });
});

describe('values of options', () => {
  it('are durations as Go writes them', () => {
    const facts: readonly [string, number][] = [
      ['0', 0],
      ['300ms', 300],
      ['5m', 300_000],
      ['1h30m', 5_400_000],
      ['1.5h', 5_400_000],
      ['.5s', 500],
    ];
    for (const [given, ms] of facts) assert.equal(parseDurationMs(given), ms, given);
    for (const given of ['', '5', '5d', '-5m', 'm', '5 m'])
      assert.throws(() => parseDurationMs(given), given);
  });

  it('are percentages and choices', () => {
    assert.equal(parsePercent('2.5%'), 0.025);
    assert.throws(() => parsePercent('5'));
    assert.equal(parseChoice('auto', 'off')('off'), 'off');
    assert.throws(() => parseChoice('auto', 'off')('on'), /one of auto, off/);
  });
});

describe('the nearest word', () => {
  it('is near enough to be meant', () => {
    const words = ['backup', 'restore', 'snapshots', 'stats'];
    assert.equal(nearest('bakcup', words), 'backup');
    assert.equal(nearest('snap', words), 'snapshots');
    assert.equal(nearest('snapshot', words), 'snapshots');
    assert.equal(nearest('frobnicate', words), undefined);
    assert.equal(editDistance('ab', 'ba'), 1);
    assert.equal(editDistance('kitten', 'sitting'), 3);
  });
});
