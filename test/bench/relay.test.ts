import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { relayTo } from '../../bench/distance/relay.ts';

describe('a longer way', () => {
  test('holds each request of a kept connection once, whatever its size, and changes nothing', async () => {
    let connections = 0;
    const server = createServer(async (incoming, answer) => answer.end(await buffer(incoming)));
    server.on('connection', () => connections++);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    after(() => server.close());
    const relay = await relayTo((server.address() as AddressInfo).port, 'requests', 50);
    after(() => relay.close());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    after(() => agent.destroy());
    const body = Buffer.alloc(3_000_000, 'some content ');
    const startedMs = performance.now();
    for (let n = 0; n < 3; n++) {
      const sent = request({ port: relay.port, agent, method: 'PUT' }).end(body);
      const [answer] = await once(sent, 'response');
      assert.ok((await buffer(answer)).equals(body));
    }
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 150 && tookMs < 5000, `${tookMs} ms`);
    assert.equal(connections, 1);
  });

  test('lets bytes follow each other, each as late as the others', async () => {
    const echo = createTcpServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    after(() => echo.close());
    const relay = await relayTo((echo.address() as AddressInfo).port, 'bytes', 60);
    after(() => relay.close());
    const socket = connect(relay.port, '127.0.0.1');
    const startedMs = performance.now();
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (let n = 0; n < 10; n++) socket.write(Buffer.alloc(100_000, n));
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes === 1_000_000) break;
    }
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs >= 59 && tookMs < 3000, `${tookMs} ms`);
    const expected = Buffer.concat(Array.from({ length: 10 }, (_, n) => Buffer.alloc(100_000, n)));
    assert.ok(Buffer.concat(chunks).equals(expected));
  });
});
