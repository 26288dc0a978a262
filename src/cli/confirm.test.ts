import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { confirm } from './confirm.ts';
import { Output } from './terminal.ts';
import { recordingStream, testStdin } from './testing.ts';

function ask(answer: string, isTTY: boolean, yes = false): Promise<void> {
  const stderr = recordingStream({ isTTY });
  const output = new Output({ stdout: recordingStream(), stderr });
  const { signal } = new AbortController();
  return confirm({ stdin: testStdin(answer, isTTY).stream, stderr, signal, output }, 'Replace it?', yes);
}

describe('a confirmation', () => {
  test('is given on a terminal with y or yes', async () => {
    await ask('y\n', true);
    await ask('Yes\n', true);
  });

  test('is refused by any other answer', async () => {
    for (const answer of ['\n', 'n\n', 'yesterday\n'])
      await assert.rejects(ask(answer, true), (error) => hasCode(error, 'confirmation-needed'));
  });

  test('needs --yes where there is no terminal', async () => {
    await assert.rejects(ask('y\n', false), (error) => hasCode(error, 'confirmation-needed'));
    await ask('', false, true);
  });
});
