import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../core/errors.ts';
import { startChild } from './child-stream.ts';

const never = new AbortController().signal;

async function read(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe('a program whose output is the data', () => {
  test('is read to its end', async () => {
    const child = startChild(['printf', '%s', 'two words'], never);
    assert.equal(await read(child.bytes), 'two words');
    await child.completed();
    child.close();
  });

  test('that fails is said to have failed, without its arguments', async () => {
    const child = startChild(['sh', '-c', 'echo part; exit 7 # secret'], never);
    assert.equal(await read(child.bytes), 'part\n');
    await assert.rejects(
      child.completed(),
      (error) =>
        hasCode(error, 'source-unreadable') &&
        /sh ended with exit status 7/.test(error.message) &&
        !/secret/.test(error.message),
    );
  });

  test('that is not there is named', async () => {
    const child = startChild(['no-such-program-anywhere', 'secret'], never);
    assert.equal(await read(child.bytes), '');
    await assert.rejects(
      child.completed(),
      (error) =>
        hasCode(error, 'source-unreadable') && /cannot run no-such-program-anywhere/.test(error.message),
    );
    assert.throws(
      () => startChild([''], never),
      (error) => hasCode(error, 'source-unreadable'),
    );
  });

  test('is ended when nobody reads on', { timeout: 10_000 }, async () => {
    const child = startChild(['sleep', '60'], never);
    child.close();
    await assert.rejects(child.completed(), /was ended by SIGTERM/);
    child.close();
  });

  test('is ended by its signal', { timeout: 10_000 }, async () => {
    const abort = new AbortController();
    const child = startChild(['sh', '-c', 'echo one; exec sleep 60'], abort.signal);
    for await (const _ of child.bytes) {
      abort.abort();
      break;
    }
    await assert.rejects(child.completed());
  });
});
