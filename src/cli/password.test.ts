import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { hasCode } from '../core/errors.ts';
import type { PasswordContext, PasswordSources } from './password.ts';
import { passwordFromSources, passwordVariables, resolveNewPassword, resolvePassword } from './password.ts';
import { resolveRepositoryLocation } from './repository-location.ts';
import { splitCommand } from './split-command.ts';
import { Output } from './terminal.ts';
import type { TestStdin } from './testing.ts';
import { recordingStream, testStdin } from './testing.ts';

const nowhere: PasswordSources = {
  passwordFile: undefined,
  passwordCommand: undefined,
  insecureNoPassword: false,
  variables: passwordVariables,
};

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-password-'));
});
after(() => rm(folder, { recursive: true }));

async function file(content: string | Buffer): Promise<string> {
  const path = join(folder, 'secret');
  await writeFile(path, content);
  return path;
}

function context(stdin: TestStdin = testStdin(), env: Record<string, string> = {}) {
  const stderr = recordingStream();
  const stdout = recordingStream({ isTTY: stdin.stream.isTTY });
  const made: PasswordContext = {
    env,
    stdin: stdin.stream,
    stderr,
    output: new Output({ stdout, stderr, env }),
    signal: new AbortController().signal,
  };
  return { context: made, said: () => stdout.text() + stderr.text() };
}

describe('a password', () => {
  it('comes from the environment as it is, Lifeboat’s variable first', async () => {
    const env = { LIFEBOAT_PASSWORD: ' a ', RESTIC_PASSWORD: 'b' };
    assert.equal(await passwordFromSources(nowhere, context(testStdin(), env).context), ' a ');
    assert.equal(
      await passwordFromSources(nowhere, context(testStdin(), { RESTIC_PASSWORD: 'b' }).context),
      'b',
    );
    assert.equal(await passwordFromSources(nowhere, context().context), null);
  });

  it('comes from a file without the white space around it', async () => {
    for (const content of [
      'pass word\n',
      '\ufeffpass word\r\n',
      ' pass word \n\n',
      Buffer.from('\ufeffpass word', 'utf16le'),
    ]) {
      assert.equal(
        await passwordFromSources({ ...nowhere, passwordFile: await file(content) }, context().context),
        'pass word',
      );
    }
  });

  it('comes from a command, which is run without a shell', async () => {
    const passwordCommand = `${process.execPath} -e 'console.log(process.argv[1])' "a  $HOME"`;
    assert.equal(await passwordFromSources({ ...nowhere, passwordCommand }, context().context), 'a  $HOME');
  });

  it('is missing when its file or command fails, and nothing of the command is told', async () => {
    const failing = async (sources: Partial<PasswordSources>, message: RegExp): Promise<void> => {
      await assert.rejects(
        passwordFromSources({ ...nowhere, ...sources }, context().context),
        (error) =>
          hasCode(error, 'password-missing') &&
          message.test(error.message) &&
          !/topsecret/.test(error.message) &&
          error.cause?.toString().includes('topsecret') !== true,
      );
    };
    await failing({ passwordFile: join(folder, 'none') }, /none does not exist$/);
    await failing({ passwordFile: folder }, /cannot be read/);
    await failing({ passwordFile: await file(Buffer.from([0xff, 0xc0])) }, /UTF-8/);
    await failing({ passwordCommand: `${process.execPath} -e 'process.exit(3)' topsecret` }, /exit status 3/);
    await failing({ passwordCommand: 'lifeboat-no-such-program topsecret' }, /ENOENT/);
  });

  it('is empty where that is asked for, and then nothing else is given', async () => {
    const sources = { ...nowhere, insecureNoPassword: true };
    assert.equal(await resolvePassword(sources, context().context), '');
    await assert.rejects(
      passwordFromSources(sources, context(testStdin(), { RESTIC_PASSWORD: 'x' }).context),
      (error) => hasCode(error, 'usage'),
    );
  });

  it('is never empty by accident', async () => {
    const passwordFile = await file(Buffer.from(' \n'));
    for (const sources of [{ passwordFile }, { passwordCommand: 'true' }])
      await assert.rejects(
        resolvePassword({ ...nowhere, ...sources }, context().context),
        (error) => hasCode(error, 'password-missing') && /empty password/.test(error.message),
      );
  });

  it('is read from a pipe up to the end of the line, and the rest is left there', async () => {
    const stdin = testStdin('piped\r\nrest');
    assert.equal(await resolvePassword(nowhere, context(stdin).context), 'piped');
    assert.equal(await text(stdin.stream), 'rest');
    await assert.rejects(resolvePassword(nowhere, context(testStdin('')).context), (error) =>
      hasCode(error, 'password-missing'),
    );
  });

  it('is asked for on a terminal without being shown', async () => {
    const stdin = testStdin(['wrong\x15se', 'cx\x7f', 'rét\r'], true);
    const { context: terminal, said } = context(stdin);
    assert.equal(await resolvePassword(nowhere, terminal), 'secrét');
    assert.deepEqual(stdin.rawModes, [true, false]);
    assert.equal(said(), 'enter password for repository: \n');
  });

  it('is asked for twice when it is new', async () => {
    assert.equal(await resolveNewPassword(nowhere, context(testStdin(['one\rone\r'], true)).context), 'one');
    await assert.rejects(
      resolveNewPassword(nowhere, context(testStdin(['one\rtwo\r'], true)).context),
      (error) => hasCode(error, 'usage') && /differ/.test(error.message),
    );
  });

  it('can be refused with Ctrl-C', async () => {
    const stdin = testStdin(['abc\x03'], true);
    await assert.rejects(resolvePassword(nowhere, context(stdin).context), (error) =>
      hasCode(error, 'cancelled'),
    );
    assert.deepEqual(stdin.rawModes, [true, false]);
  });

  it('is hidden from then on', async () => {
    const { context: one, said } = context(testStdin('topsecret\n'));
    await resolvePassword(nowhere, one);
    one.output.warn('the password is topsecret');
    assert.equal(said(), 'the password is ***\n');
  });
});

describe('a command line in a setting', () => {
  it('is split as restic splits it', () => {
    assert.deepEqual(splitCommand('pass  show "a b" \'c "d"\' e\\ f'), [
      'pass',
      'show',
      'a b',
      'c "d"',
      'e',
      'f',
    ]);
    assert.deepEqual(splitCommand('a"b"c'), ['a', 'b', 'c']);
    for (const line of ['', '  ', '"open', "it's"])
      assert.throws(
        () => splitCommand(line),
        (error) => hasCode(error, 'usage'),
      );
  });
});

describe('the location of the repository', () => {
  it('is given, or read from a file', async () => {
    assert.equal(await resolveRepositoryLocation({ repository: '/r', repositoryFile: undefined }), '/r');
    assert.equal(
      await resolveRepositoryLocation({ repository: undefined, repositoryFile: await file('/r \n') }),
      '/r',
    );
    for (const repositoryFile of [undefined, join(folder, 'none'), await file('\n')]) {
      await assert.rejects(resolveRepositoryLocation({ repository: undefined, repositoryFile }), (error) =>
        hasCode(error, 'usage'),
      );
    }
  });
});
