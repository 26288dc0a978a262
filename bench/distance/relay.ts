import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A longer way to a server of this machine. */
export interface Relay {
  readonly port: number;
  close(): void;
}

/**
 * Starts a relay as a process of its own, so that what it does is not the bench's work.
 *
 * @param way `requests`: each request of HTTP waits that long before it goes on. `bytes`: all bytes take half of it
 * in each direction, as on a long line.
 */
export async function relayTo(port: number, way: 'requests' | 'bytes', delayMs: number): Promise<Relay> {
  const program = join(import.meta.dirname, 'relay-process.ts');
  const child = spawn(process.execPath, [program, String(port), way, String(delayMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { port: Number(line), close: () => child.stdin.end() };
}
