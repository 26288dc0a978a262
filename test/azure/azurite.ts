import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { serverCache } from '../postgres/programs.ts';

/** Azurite, the emulator of Azure's storage, with all it keeps in memory. `npm test` installs it (scripts/test). */

export const azuriteVersion = '3.37.0';
export const azuriteProgram = join(serverCache, `azurite-${azuriteVersion}.cjs`);

/** Why tests of it cannot run here, or false: for `{ skip }`. */
export const azuriteMissing = !existsSync(azuriteProgram) && 'needs Azurite';

export interface Azurite {
  readonly account: string;
  readonly key: string;
  readonly port: number;
  /** Of the account, as an emulator without names of hosts has it. */
  readonly endpoint: string;
  newContainer(): string;
  stop(): Promise<void>;
}

/** @param tls files of a certificate and its key (PEM), to speak HTTPS. */
export async function startAzurite(tls?: { readonly cert: string; readonly key: string }): Promise<Azurite> {
  const folder = mkdtempSync(join(tmpdir(), 'azurite-'));
  const account = 'lifeboattest';
  const key = randomBytes(64).toString('base64');
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      '--no-deprecation',
      azuriteProgram,
      ...['--blobPort', String(port), '--inMemoryPersistence', '--disableTelemetry', '--silent'],
      ...['--skipApiVersionCheck', ...(tls ? ['--cert', tls.cert, '--key', tls.key] : [])],
    ],
    { cwd: folder, env: { AZURITE_ACCOUNTS: `${account}:${key}` }, stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  let containers = 0;
  await listening(port);
  return {
    account,
    key,
    port,
    endpoint: `${origin}/${account}`,
    newContainer: () => `c${++containers}-${randomBytes(4).toString('hex')}`,
    async stop() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function listening(port: number): Promise<void> {
  const { connect } = await import('node:net');
  for (let n = 0; n < 400; n++) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await sleep(25);
  }
  throw new Error('Azurite does not start');
}
