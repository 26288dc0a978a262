import { connect as connectSocket } from 'node:net';
import { type Connected, internalsOf } from './connect.ts';

const cancelRequestCode = 80877102;
const cancelTimeoutMs = 5000;

/** Asks the server to give up what a connection runs: CancelRequest on a connection of its own (protocol, "Canceling Requests in Progress"). Best effort, as libpq's. */
export async function requestCancel({ client, settings }: Connected): Promise<void> {
  const { processID, secretKey } = internalsOf(client);
  if (processID === null || secretKey === null) return;
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(cancelRequestCode, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  const { host, port } = settings;
  const socket = host.startsWith('/')
    ? connectSocket(`${host}/.s.PGSQL.${port}`)
    : connectSocket({ host, port });
  await new Promise<void>((resolve) => {
    socket.setTimeout(cancelTimeoutMs, () => socket.destroy());
    // A request that does not arrive leaves the statement running until it ends by itself.
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    // The other side closes: PgBouncer 1.18 dies of clients that close a request that it still passes on.
    socket.resume();
    socket.write(message);
  });
}
