import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { LifeboatError } from '../core/errors.ts';
import type { Hook } from '../model/configuration.ts';
import { runHook } from './run-hook.ts';

const never = new AbortController().signal;
const command = (line: string, timeoutMs = 5000): Hook => ({ command: line, http: null, timeoutMs });
const http = (url: string, timeoutMs = 5000): Hook => ({ command: null, http: url, timeoutMs });
const failsWith = (pattern: RegExp) => (error: unknown) =>
  error instanceof LifeboatError && error.code === 'hook-failed' && pattern.test(error.message);

describe('a hook', () => {
  test('that is a command sees its variables, and its output is kept', async () => {
    const { output } = await runHook(command('echo "$LIFEBOAT_SOURCE"'), {
      env: { LIFEBOAT_SOURCE: 'app-db' },
      signal: never,
    });
    assert.equal(output, 'app-db');
  });

  test('that is a command and fails says its status and its last words', async () => {
    await assert.rejects(
      runHook(command('echo no such service >&2; exit 7'), { env: {}, signal: never }),
      failsWith(/exit status 7: no such service/),
    );
  });

  test('that takes too long is ended with all that it has started', async () => {
    const startMs = performance.now();
    await assert.rejects(
      runHook(command('sleep 30 & wait', 100), { env: {}, signal: never }),
      failsWith(/within 0\.1 s/),
    );
    assert.ok(performance.now() - startMs < 4000);
  });

  test('is ended where the run is cancelled', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(
      runHook(command('sleep 30'), { env: {}, signal: controller.signal }),
      (error) => error instanceof LifeboatError && error.code === 'cancelled',
    );
  });

  test('that is an HTTP check waits until the application is healthy', async (t) => {
    let asked = 0;
    const server = createServer((_, answer) => {
      answer.statusCode = ++asked < 2 ? 503 : 200;
      answer.end('state');
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { output } = await runHook(http(`http://127.0.0.1:${port}/health`), { env: {}, signal: never });
    assert.equal(output, 'status 200');
    assert.equal(asked, 2);
    server.removeAllListeners('request');
    server.on('request', (_, answer) => {
      answer.statusCode = 500;
      answer.end();
    });
    await assert.rejects(
      runHook(http(`http://127.0.0.1:${port}/health`, 200), { env: {}, signal: never }),
      failsWith(/within 0\.2 s: the answer was status 500/),
    );
  });

  test('whose host does not answer says so', async () => {
    await assert.rejects(
      runHook(http('http://127.0.0.1:9/', 100), { env: {}, signal: never }),
      failsWith(/no answer/),
    );
  });
});
