/**
 * Stands between clients and a server on this machine and makes the way longer. Started by `relay.ts` as a process
 * of its own: `relay-process.ts PORT WAY DELAY_MS`. It prints the port on which it listens, and ends with its
 * standard input.
 */
import { connect, createServer, type Socket } from 'node:net';

const [port, way, delay] = process.argv.slice(2);
const delayMs = Number(delay);

/** Bytes of one direction that may be on a long line at once: more than 50 ms of what any disk here takes. */
const lineBytesMax = 32 * 1024 * 1024;

/** Passes on what comes, as fast as the other side takes it. */
function pass(from: Socket, to: Socket, chunk: Buffer): void {
  if (to.write(chunk)) return;
  from.pause();
  to.once('drain', () => from.resume());
}

/**
 * Each request waits once before it goes on, whatever its size: of HTTP, where the client says nothing more until
 * it is answered, what comes after an answer begins the next request.
 */
function holdRequests(client: Socket, server: Socket): void {
  let isAnswered = true;
  client.on('data', (chunk: Buffer) => {
    if (!isAnswered) return pass(client, server, chunk);
    isAnswered = false;
    client.pause();
    setTimeout(() => {
      client.resume();
      pass(client, server, chunk);
    }, delayMs);
  });
  server.on('data', (chunk: Buffer) => {
    isAnswered = true;
    pass(server, client, chunk);
  });
}

/** All bytes arrive later, in their order, and others may follow meanwhile: half of the delay for each direction. */
function lengthen(from: Socket, to: Socket): void {
  let onTheWay = 0;
  from.on('data', (chunk: Buffer) => {
    onTheWay += chunk.length;
    if (onTheWay > lineBytesMax) from.pause();
    setTimeout(() => {
      onTheWay -= chunk.length;
      if (onTheWay <= lineBytesMax) from.resume();
      if (to.writable) pass(from, to, chunk);
    }, delayMs / 2);
  });
}

const listener = createServer({ noDelay: true }, (client) => {
  const server = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  if (way === 'requests') holdRequests(client, server);
  else {
    lengthen(client, server);
    lengthen(server, client);
  }
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => setTimeout(() => other.destroy(), delayMs));
  }
});
listener.listen(0, '127.0.0.1', () => console.log((listener.address() as { port: number }).port));
process.stdin.resume().on('end', () => process.exit(0));
