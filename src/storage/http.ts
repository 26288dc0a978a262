import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import { agentFor, type TlsSettings } from './agent.ts';

/** Requests over connections that are kept; the content of answers is read as a whole. */

export interface HttpSettings extends TlsSettings {
  readonly connections: number;
  /** A request that moves no byte for this long is given up. */
  readonly stuckMs: number;
  readonly userAgent: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers?: OutgoingHttpHeaders;
  readonly parts?: readonly Uint8Array[];
  /** Larger answers are given up. */
  readonly bodyBytesMax: number;
}

export interface HttpClient {
  /** @throws LifeboatError `storage-unreachable`, `storage-tls`. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

/**
 * @param secure whether the URLs begin with https.
 * @param authorization the headers that tell who asks; asked for with each request.
 */
export function httpClient(
  secure: boolean,
  settings: HttpSettings,
  authorization: () => Promise<OutgoingHttpHeaders>,
): HttpClient {
  let agent: Promise<{ agent: Agent; request: typeof import('node:http').request }> | null = null;

  async function makeAgent() {
    const library = secure ? await import('node:https') : await import('node:http');
    return { agent: await agentFor(secure, settings), request: library.request };
  }

  async function sendOnce(given: HttpRequest): Promise<HttpAnswer> {
    agent ??= makeAgent();
    const open = await agent;
    const parts = given.parts ?? [];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const headers: OutgoingHttpHeaders = {
      'user-agent': settings.userAgent,
      ...(await authorization()),
      ...(given.parts && { 'content-length': length, 'content-type': 'application/octet-stream' }),
      ...given.headers,
    };
    const sent = open.request(given.url, { method: given.method, headers, agent: open.agent });
    sent.setTimeout(settings.stuckMs, () => {
      sent.destroy(new Error(`nothing moved for ${Math.round(settings.stuckMs / 1000)} s`));
    });
    const answered = answerOf(sent, given);
    // Errors surface in the answer, which may come before everything is sent.
    await writeParts(sent, parts);
    return answered;
  }

  return {
    async send(request) {
      for (;;) {
        try {
          return await sendOnce(request);
        } catch (error) {
          if (error instanceof StaleConnection) continue;
          throw asFailure(error, request.url);
        }
      }
    },
    close() {
      agent?.then((open) => open.agent.destroy());
    },
  };
}

/** A kept connection that the server had closed meanwhile: the request was not heard. */
class StaleConnection extends Error {}

async function writeParts(sent: ClientRequest, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    if (sent.destroyed || sent.errored) return;
    if (sent.write(part)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        sent.off('drain', go);
        sent.off('close', go);
        resolve();
      };
      sent.on('drain', go);
      sent.on('close', go);
    });
  }
  if (!sent.destroyed) sent.end();
}

function answerOf(sent: ClientRequest, { method, bodyBytesMax }: HttpRequest): Promise<HttpAnswer> {
  const answered = new Promise<HttpAnswer>((resolve, reject) => {
    let heard = false;
    sent.on('error', (error) => {
      const stale = sent.reusedSocket && !heard && ['ECONNRESET', 'EPIPE'].includes(errnoOf(error));
      reject(stale ? new StaleConnection() : error);
    });
    sent.on('response', (message: IncomingMessage) => {
      heard = true;
      const chunks: Buffer[] = [];
      let bytes = 0;
      message.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > bodyBytesMax) message.destroy(new Error('the answer is larger than what was asked for'));
        else chunks.push(chunk);
      });
      message.on('error', reject);
      message.on('end', () => {
        const expected = Number(message.headers['content-length'] ?? bytes);
        if (method !== 'HEAD' && bytes !== expected)
          return reject(new Error(`the answer ended after ${bytes} of ${expected} bytes`));
        resolve({
          status: message.statusCode ?? 0,
          headers: message.headers,
          body: Buffer.concat(chunks, bytes),
        });
      });
      message.on('close', () => reject(new Error('the answer broke off')));
    });
  });
  // Looked at once the request is written.
  answered.catch(() => undefined);
  return answered;
}

const tlsErrors =
  /^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(?:VERIFY|GET)_|HOSTNAME_MISMATCH|EPROTO$)/;

function asFailure(error: unknown, url: URL): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const errno = errnoOf(error);
  const code = tlsErrors.test(errno) ? 'storage-tls' : 'storage-unreachable';
  const why = errno === 'ENOTFOUND' ? 'there is no host of this name' : messageOf(error) || errno;
  return new LifeboatError(code, `cannot reach ${url.origin}: ${why}`, { cause: error });
}
