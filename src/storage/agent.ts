import type { Agent } from 'node:http';

/** Connections that are kept, and whom they trust. */

export interface TlsSettings {
  /** PEM of authorities to trust in place of the system's. */
  readonly authorities: readonly string[];
  /** PEM of a certificate with its key that this client shows. */
  readonly clientCertificate: string | null;
  readonly insecureTls: boolean;
}

/**
 * Keeps connections to hosts, straight or by the proxies that the environment names.
 *
 * @param secure whether the URLs begin with https.
 * @param stuckMs connections on which nothing moves for this long are closed; null: who sends sees to that.
 */
export async function agentFor(
  secure: boolean,
  settings: TlsSettings & { readonly connections: number },
  stuckMs: number | null = null,
): Promise<Agent> {
  const { authorities, clientCertificate, insecureTls, connections } = settings;
  const { Agent } = secure ? await import('node:https') : await import('node:http');
  return new Agent({
    keepAlive: true,
    maxSockets: connections,
    // Without the variables of the environment, Node goes straight to the host.
    proxyEnv: process.env,
    ...(stuckMs !== null && { timeout: stuckMs }),
    ...(secure && {
      ...(authorities.length > 0 && { ca: [...authorities] }),
      ...(clientCertificate !== null && { cert: clientCertificate, key: clientCertificate }),
      rejectUnauthorized: !insecureTls,
    }),
  });
}
