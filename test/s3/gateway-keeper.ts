import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { cephCommand, configurationOf, type GatewayFacts, keeperAddress, runToEnd } from './gateway.ts';

/**
 * A process of its own that keeps one Ceph cluster in memory and its gateway running for as long as any test
 * process is connected, so that all test files of a run share it. Started by `gateway.ts`.
 */

/** Between one test file that ends and the next that begins. */
const idleMs = 5000;
const children: ChildProcess[] = [];
const folder = mkdtempSync(join(tmpdir(), 'lifeboat-s3-'));

function start(program: string, ...args: string[]): void {
  const child = spawn(program, ['-c', join(folder, 'ceph.conf'), ...args, '-f'], { stdio: 'ignore' });
  children.push(child);
}

async function stop(): Promise<never> {
  const ended = children.map((child) => (child.exitCode === null ? once(child, 'exit') : null));
  // Nothing in it is worth a tidy end.
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(ended);
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

async function answers(url: string): Promise<void> {
  for (let n = 0; n < 300; n++) {
    const there = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (there) return;
    await sleep(100);
  }
  throw new Error(`nothing answers at ${url}`);
}

async function startCluster(): Promise<GatewayFacts> {
  const [monPort, port] = [await freePort(), await freePort()];
  const fsid = randomUUID();
  const osd = randomUUID();
  for (const name of ['mon', 'osd', 'rgw']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'ceph.conf'), configurationOf({ folder, fsid, monPort, port }));
  const ceph = (program: string, ...args: string[]) => runToEnd(cephCommand(folder, program, args));
  const monmap = join(folder, 'monmap');
  const address = `[v2:127.0.0.1:${monPort}]`;
  await runToEnd(['monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', address, monmap]]);
  await ceph('ceph-mon', '--mkfs', '-i', 'a', '--monmap', monmap);
  start('ceph-mon', '-i', 'a');
  await ceph('ceph', 'osd', 'new', osd);
  await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
  start('ceph-osd', '-i', '0');
  const facts: GatewayFacts = {
    folder,
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: `AKID${randomBytes(8).toString('hex').toUpperCase()}`,
    secretKey: randomBytes(20).toString('base64url'),
  };
  const keys = ['--access-key', facts.accessKey, '--secret-key', facts.secretKey];
  await ceph('radosgw-admin', 'user', 'create', '--uid', 'test', '--display-name', 'test', ...keys);
  const placement = ['placement', 'add', '--placement-id', 'default-placement', '--storage-class'];
  for (const storageClass of ['STANDARD_IA', 'GLACIER']) {
    const pool = ['--data-pool', `default.rgw.${storageClass.toLowerCase()}`];
    await ceph('radosgw-admin', 'zonegroup', ...placement, storageClass, '--rgw-zonegroup', 'default');
    await ceph('radosgw-admin', 'zone', ...placement, storageClass, '--rgw-zone', 'default', ...pool);
  }
  start('radosgw', '-n', 'client.rgw');
  await answers(facts.endpoint);
  return facts;
}

const connected = new Set<Socket>();
let idle: NodeJS.Timeout | undefined;
let told: Promise<string> | undefined;

const server = createServer((socket) => {
  clearTimeout(idle);
  connected.add(socket);
  socket.on('error', () => undefined); // a test process that was killed
  socket.resume();
  socket.on('close', () => {
    connected.delete(socket);
    if (connected.size === 0) idle = setTimeout(stop, idleMs);
  });
  told ??= startCluster().then(
    (facts) => JSON.stringify(facts),
    (error: Error) => JSON.stringify({ problem: error.message }),
  );
  void told.then((line) => socket.write(`${line}\n`));
});
// Another keeper was faster: it is the one that is used.
server.on('error', () => process.exit(0));
server.listen(keeperAddress(process.argv[2] ?? ''));
idle = setTimeout(stop, idleMs);
