import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** An SSH server of OpenSSH on this machine, with keys and settings of its own in a temporary folder. */
export interface TestSshd {
  readonly port: number;
  readonly user: string;
  /** Everything of it, also the home of a client: `.ssh/id_ed25519` may log in, `.ssh/known_hosts` has the host. */
  readonly folder: string;
  readonly knownHosts: string;
  readonly key: string;
  /** What the server wrote to its log. */
  log(): string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Gives it another host key; takes effect with the next start. */
  changeHostKey(): void;
  destroy(): Promise<void>;
}

const sshdPath = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path));

/** Whether the machine has what these tests need. */
export const hasSshd = sshdPath !== undefined;

export function keygen(path: string, ...more: string[]): void {
  rmSync(path, { force: true });
  rmSync(`${path}.pub`, { force: true });
  const args = ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path];
  const { status, stderr, error } = spawnSync('ssh-keygen', [...args, ...more], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ssh-keygen: ${error?.message ?? stderr}`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @param settings further lines of sshd_config; the first of a keyword counts. */
export async function startSshd(settings: readonly string[] = []): Promise<TestSshd> {
  if (!sshdPath) throw new Error('there is no sshd');
  const folder = mkdtempSync(join(tmpdir(), 'sshd-'));
  const port = await freePort();
  const ssh = join(folder, '.ssh');
  mkdirSync(ssh, { mode: 0o700 });
  const key = join(ssh, 'id_ed25519');
  const hostKey = join(folder, 'host_key');
  const authorized = join(folder, 'authorized_keys');
  const knownHosts = join(ssh, 'known_hosts');
  keygen(key);
  keygen(hostKey);
  writeFileSync(authorized, readFileSync(`${key}.pub`));
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`);
  const logFile = join(folder, 'sshd.log');
  writeFileSync(
    join(folder, 'sshd_config'),
    [
      ...settings,
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${authorized}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin yes',
      'MaxStartups 100',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  // Compiled in; packages make it when the service is started.
  if (process.geteuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });

  let child: ChildProcess | null = null;
  async function start(): Promise<void> {
    const started = spawn(sshdPath!, ['-D', '-f', join(folder, 'sshd_config'), '-E', logFile], {
      stdio: 'ignore',
      // A group of its own, so that the processes of connections end with it.
      detached: true,
    });
    child = started;
    for (let tries = 0; !(await answers(port)); tries++) {
      if (tries > 200 || started.exitCode !== null) throw new Error(`sshd does not start: ${log()}`);
      await sleep(20);
    }
  }
  async function stop(): Promise<void> {
    const running = child;
    child = null;
    if (!running?.pid || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    // Connections first: processes of them are in sessions of their own.
    for (const pid of descendants(running.pid)) killQuietly(pid);
    killQuietly(running.pid);
    await ended;
  }
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  await start();
  return {
    port,
    user: userInfo().username,
    folder,
    knownHosts,
    key,
    log,
    start,
    stop,
    changeHostKey: () => keygen(hostKey),
    async destroy() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Processes below one, by what ps says. */
function descendants(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    rows.filter(([, above]) => above === parent).flatMap(([child]) => [child!, ...below(child!)]);
  return below(pid);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

/** Between a client and a server: cuts connections when it is told to, and counts or delays what passes. */
export interface Wire {
  readonly port: number;
  /** Bytes that have passed from the client to the server. */
  readonly sent: number;
  /** Bytes that have passed from the server to the client. */
  readonly received: number;
  /** Ends every connection at once, without a word. */
  cut(): void;
  /** Cuts once this many more bytes have passed in a direction. */
  cutAfter(bytes: number, direction: 'sent' | 'received'): void;
  /** Refuses new connections until called with false. */
  refuse(refused: boolean): void;
  close(): Promise<void>;
}

export async function wireTo(port: number, delayMs = 0): Promise<Wire> {
  const sockets = new Set<Socket>();
  const passed = { sent: 0, received: 0 };
  const limit = { sent: Number.POSITIVE_INFINITY, received: Number.POSITIVE_INFINITY };
  let refused = false;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server: Server = createServer((client) => {
    if (refused) return client.destroy();
    const far = connect({ port, host: '127.0.0.1' });
    const pass = (from: Socket, to: Socket, direction: 'sent' | 'received'): void => {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (chunk: Buffer) => {
        passed[direction] += chunk.length;
        if (passed[direction] >= limit[direction]) {
          limit[direction] = Number.POSITIVE_INFINITY;
          to.write(chunk.subarray(0, chunk.length >> 1));
          setImmediate(cut);
        } else if (delayMs > 0) setTimeout(() => to.writable && to.write(chunk), delayMs);
        else to.write(chunk);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    };
    pass(client, far, 'sent');
    pass(far, client, 'received');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    get sent() {
      return passed.sent;
    },
    get received() {
      return passed.received;
    },
    cut,
    cutAfter(bytes, direction) {
      limit[direction] = passed[direction] + bytes;
    },
    refuse(value) {
      refused = value;
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
