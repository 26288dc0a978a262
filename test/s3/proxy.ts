import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** Stands between a client and a gateway, looks at every request and lets bad things happen to some. */

export interface SeenRequest {
  readonly method: string;
  /** As sent, with the query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What happens to a request instead of being passed on; null: nothing does. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The connection breaks after this many bytes of what the client sends. */
  | { readonly kind: 'reset-request'; readonly afterBytes: number }
  /** The gateway does it, and the connection breaks after this many bytes of its answer. */
  | { readonly kind: 'reset-answer'; readonly afterBytes: number }
  /** Nothing is ever said. */
  | { readonly kind: 'silence' }
  /** The gateway's answer arrives with another content. */
  | { readonly kind: 'rewrite'; rewrite(content: string): string }
  | null;

export interface ProxyOptions {
  readonly delayMs?: number;
  /** Speak HTTPS with this key and certificate (PEM). */
  readonly tls?: { readonly key: string; readonly cert: string };
  fault?(seen: SeenRequest): Fault;
}

export interface RequestProxy {
  readonly endpoint: string;
  /** All requests so far. */
  readonly seen: readonly SeenRequest[];
  /** Ends all connections and refuses new ones, until `resume`. */
  interrupt(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

const answerOf = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>made by the proxy</Message></Error>`;

export async function startProxy(target: string, options: ProxyOptions = {}): Promise<RequestProxy> {
  const seen: SeenRequest[] = [];
  const agent = new Agent({ keepAlive: true });
  const { hostname, port: targetPort } = new URL(target);

  async function handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = incoming;
    const one = { method, url, headers };
    seen.push(one);
    const fault = options.fault?.(one) ?? null;
    if (options.delayMs) await sleep(options.delayMs);
    if (fault?.kind === 'silence') {
      incoming.resume();
      return;
    }
    if (fault?.kind === 'answer') {
      incoming.resume();
      if (!incoming.complete) await once(incoming, 'end');
      const body = method === 'HEAD' ? '' : answerOf(fault.code);
      answer.writeHead(fault.status, { 'content-type': 'application/xml', 'content-length': body.length });
      answer.end(body);
      return;
    }
    const forwarded = request({
      hostname,
      port: targetPort,
      method,
      path: url,
      agent,
      headers,
    });
    const broken = (): void => void incoming.socket.destroy();
    forwarded.on('error', broken);
    incoming.on('error', () => forwarded.destroy());
    incoming.on('close', () => !incoming.complete && forwarded.destroy());
    forwarded.on('response', (response) => {
      response.on('error', broken);
      if (fault?.kind === 'rewrite') {
        const { 'content-length': _, 'transfer-encoding': __, ...kept } = response.headers;
        void text(response).then((content) => {
          answer.writeHead(response.statusCode ?? 502, kept);
          answer.end(fault.rewrite(content));
        }, broken);
        return;
      }
      answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
      if (fault?.kind !== 'reset-answer') {
        response.pipe(answer);
        return;
      }
      let left = fault.afterBytes;
      response.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        if (left > 0) answer.write(part);
        else answer.write(part, () => incoming.socket.resetAndDestroy());
      });
      response.on('end', () => incoming.socket.resetAndDestroy());
    });
    if (fault?.kind === 'reset-request') {
      let left = fault.afterBytes;
      incoming.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left > 0) forwarded.write(chunk);
        else {
          forwarded.destroy();
          incoming.socket.resetAndDestroy();
        }
      });
    } else incoming.pipe(forwarded);
  }

  const listener = (incoming: IncomingMessage, answer: ServerResponse): void => {
    handle(incoming, answer).catch(() => incoming.socket.destroy());
  };
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.on('clientError', (_, socket) => socket.destroy());
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const interrupt = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    endpoint: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    seen,
    interrupt,
    resume: async () => void (await listen(port)),
    async close() {
      agent.destroy();
      if (server.listening) await interrupt();
    },
  };
}
