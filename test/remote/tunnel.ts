import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';

/** A proxy as in HTTPS_PROXY that leads hosts of the world to servers of this machine. */

export interface Tunnel {
  readonly url: string;
  /** Hosts that were asked for, in order. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** @param ports by the beginning of the host's name. */
export async function startTunnel(ports: Readonly<Record<string, number>>): Promise<Tunnel> {
  const asked: string[] = [];
  const open = new Set<Socket>();
  const server = createServer();
  server.on('connect', ({ url = '' }, client: Socket) => {
    asked.push(url);
    const [, port] = Object.entries(ports).find(([host]) => url.startsWith(host)) ?? [];
    if (port === undefined) {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const far = connect(port, '127.0.0.1', () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
    for (const [one, other] of [
      [client, far],
      [far, client],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => open.delete(one));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A certificate of its own authority for some hosts; null where there is no openssl. */
export function makeCertificate(
  folder: string,
  hosts: readonly string[],
): { readonly cert: string; readonly key: string } | null {
  const [key, cert] = [join(folder, 'tls-key.pem'), join(folder, 'tls-cert.pem')];
  const names = hosts.map((host) => `DNS:${host}`).join(',');
  const { status } = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=clouds', '-addext', `subjectAltName=${names}`, '-out', cert, '-keyout', key],
  ]);
  return status === 0 ? { cert, key } : null;
}
