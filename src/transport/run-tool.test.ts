import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { runTool, runToolToSuccess, streamTool, type ToolCommand } from './run-tool.ts';

const shell = (script: string, more: Partial<ToolCommand> = {}): ToolCommand => ({
  program: 'sh',
  args: ['-c', script],
  ...more,
});

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of bytes) text += Buffer.from(chunk).toString();
  return text;
}

describe('a program of others', () => {
  test('is run to its end, whatever its status', async () => {
    const { status, stdout, stderr } = await runTool(shell('cat; echo said >&2; exit 3', { input: 'given' }));
    assert.deepEqual([status, stdout.toString(), stderr], [3, 'given', 'said']);
  });

  test('fails with the end of what it said, without secrets and arguments', async () => {
    const script = 'yes line | head -n 9999 >&2; echo the password is geheim >&2; exit 1';
    await assert.rejects(runToolToSuccess(shell(script, { secrets: ['geheim'] })), (error) => {
      assert.ok(hasCode(error, 'tool-failed'));
      assert.match(error.message, /^sh ended with exit status 1: /);
      assert.match(error.message, /the password is \*\*\*$/);
      assert.ok(error.message.length < 20_000);
      assert.doesNotMatch(error.message, /head/);
      return true;
    });
  });

  test('tells its messages as they come', async () => {
    const lines: string[] = [];
    await runTool(shell('echo one >&2; printf two >&2', { onMessage: (line) => lines.push(line) }));
    assert.deepEqual(lines, ['one', 'two']);
  });

  test('gets no password of ours through the environment', async () => {
    process.env.PGPASSWORD = 'geheim';
    process.env.LIFEBOAT_PASSWORD = 'geheim';
    try {
      const { stdout } = await runTool(shell('env', { env: { PGHOST: 'h' } }));
      assert.doesNotMatch(stdout.toString(), /geheim/);
      assert.match(stdout.toString(), /^PGHOST=h$/m);
    } finally {
      delete process.env.PGPASSWORD;
      delete process.env.LIFEBOAT_PASSWORD;
    }
  });

  test('that is not there is missing', async () => {
    const missing = runTool({ program: '/nonexistent/program', args: [] });
    await assert.rejects(missing, (error) => hasCode(error, 'tool-missing'));
  });

  test('has ended when it has, whatever it leaves running', async () => {
    const { stdout } = await runTool(shell('echo begun; sleep 20 & exit 0'));
    assert.equal(stdout.toString(), 'begun\n');
    await assert.rejects(runToolToSuccess(shell('sleep 20 & exit 1')), (error) =>
      hasCode(error, 'tool-failed'),
    );
  });

  test('ends when the signal is aborted', async () => {
    const stop = new AbortController();
    const running = runTool(shell('sleep 20; true', { signal: stop.signal }));
    stop.abort();
    await assert.rejects(running, (error) => hasCode(error, 'cancelled'));
  });

  test('streams its output, and a failure is never a mere end', async () => {
    assert.equal(await collect(streamTool(shell('echo data')).bytes), 'data\n');
    const failing = streamTool(shell('echo data; exit 2'));
    await assert.rejects(collect(failing.bytes), (error) => hasCode(error, 'tool-failed'));
    await assert.rejects(failing.completed(), (error) => hasCode(error, 'tool-failed'));
  });

  test('ends when nobody reads on', async () => {
    const endless = streamTool(shell('exec yes'));
    for await (const _ of endless.bytes) break;
    await assert.rejects(endless.completed(), (error) => hasCode(error, 'tool-failed'));
  });

  test('ends where its input fails, whose error is the one that is told', async () => {
    async function* input(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('the input broke');
    }
    await assert.rejects(runTool(shell('cat >/dev/null; sleep 20', { input: input() })), /the input broke/);
  });
});
