import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { type ErrorCode, errnoOf, errorRegistry, LifeboatError, messageOf } from '../../../core/errors.ts';
import { formatLsn } from '../../../model/wal.ts';

/** One request and one answer over a local socket, each a line of JSON. */

const lineBytesMax = 64 * 1024;

/** Reads up to the first line break. @throws Error where the other side ends before, or sends too much. */
function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > lineBytesMax) reject(new Error('the message is too long'));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection ended without an answer')));
  });
}

export interface LocalServer {
  close(): Promise<void>;
}

/**
 * Answers requests at a socket; any account of this machine may ask.
 * @param answer what it throws goes to whoever asked.
 * @throws LifeboatError `wal-receiver-running` where another process answers there already.
 */
export async function serveLocally(
  path: string,
  answer: (request: unknown) => Promise<object>,
): Promise<LocalServer> {
  if (await isAnswered(path)) {
    throw new LifeboatError('wal-receiver-running', 'another process already serves this source');
  }
  await rm(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    void respond(socket, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o666);
  server.unref();
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

async function respond(socket: Socket, answer: (request: unknown) => Promise<object>): Promise<void> {
  let reply: object;
  try {
    reply = { ok: true, ...(await answer(JSON.parse(await readLine(socket)))) };
  } catch (error) {
    const code = error instanceof LifeboatError ? error.code : 'internal';
    reply = { ok: false, code, message: messageOf(error) };
  }
  // Whoever asked may have gone; then nobody misses the answer.
  if (!socket.destroyed) socket.end(`${JSON.stringify(reply, positionsAsText)}\n`);
}

const positionsAsText = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? formatLsn(value) : value;

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Asks whoever answers at a socket.
 * @returns null where nobody does.
 * @throws LifeboatError that the other side answered with; `wal-not-archived` where it ended before it answered.
 */
export async function askLocally(
  path: string,
  request: object,
): Promise<Readonly<Record<string, unknown>> | null> {
  const socket = connect(path);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'EACCES', 'ENOTSOCK'].includes(errnoOf(error))) return null;
    throw error;
  }
  try {
    const line = readLine(socket);
    socket.write(`${JSON.stringify(request)}\n`);
    const reply = JSON.parse(await line) as Record<string, unknown>;
    if (reply.ok === true) return reply;
    const code = typeof reply.code === 'string' && reply.code in errorRegistry ? reply.code : 'internal';
    throw new LifeboatError(code as ErrorCode, String(reply.message));
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    throw new LifeboatError(
      'wal-not-archived',
      `the process that takes archived files ended before it had answered: ${messageOf(error)}`,
      { cause: error, hint: 'PostgreSQL tries again by itself' },
    );
  } finally {
    socket.destroy();
  }
}
