import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Wire } from './wire.ts';

const message = (type: string, body: string): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(4 + body.length, 1);
  return Buffer.concat([head, Buffer.from(body)]);
};

async function connected(t: TestContext): Promise<{ wire: Wire; server: Socket; client: Socket }> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = createConnection((listener.address() as { port: number }).port, '127.0.0.1');
  const [server] = (await once(listener, 'connection')) as [Socket];
  t.after(() => {
    client.destroy();
    server.destroy();
    listener.close();
  });
  return { wire: new Wire(client), server, client };
}

describe('a wire', () => {
  test('at rest takes nothing from its socket until the time is over', async (t) => {
    const { wire, server, client } = await connected(t);
    server.write(message('d', 'one'));
    assert.equal(await wire.next(), 'd');
    wire.rest(1);
    assert.equal(client.isPaused(), false, 'the body of the message waits');
    assert.equal(String(await wire.bytes()), 'one');
    const startedAt = performance.now();
    wire.rest(60);
    assert.equal(client.isPaused(), true);
    for (const body of ['two', 'three']) server.write(message('d', body));
    for (const body of ['two', 'three']) {
      assert.equal(await wire.next(), 'd');
      assert.equal(String(await wire.bytes()), body);
    }
    assert.ok(performance.now() - startedAt >= 55);
  });

  test('is awake at once where it has something to say, or fails', async (t) => {
    const { wire, server, client } = await connected(t);
    wire.rest(60_000);
    wire.send(Buffer.from('here'));
    assert.equal(client.isPaused(), false);
    server.write(message('d', ''));
    assert.equal(await wire.next(), 'd');
    wire.rest(60_000);
    wire.fail(new Error('enough'));
    await assert.rejects(wire.next(), /enough/);
    await sleep(1);
    assert.equal(client.isPaused(), false);
  });
});
