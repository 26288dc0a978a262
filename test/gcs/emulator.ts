import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import type { Program } from '../programs.ts';

/** fake-gcs-server, an emulator of Google Cloud Storage that keeps all in memory. Built by `npm run test:peers`. */

export const fakeGcs: Program = { name: 'fake-gcs-server', path: process.env.LIFEBOAT_TEST_FAKE_GCS ?? '' };

export interface Emulator {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startEmulator(program = fakeGcs.path): Promise<Emulator> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const child = spawn(
    program,
    [
      ...['-backend', 'memory', '-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)],
      ...['-public-host', host],
    ],
    { env: {}, stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  const endpoint = `http://${host}`;
  for (let n = 0; n < 200; n++) {
    const isThere = await fetch(`${endpoint}/storage/v1/b`).then(
      () => true,
      () => false,
    );
    if (isThere)
      return {
        endpoint,
        async stop() {
          child.kill('SIGKILL');
          await ended;
        },
      };
    await sleep(50);
  }
  throw new Error('fake-gcs-server does not start');
}
