import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCommand } from '../../scripts/test/system-packages.ts';
import { freePort } from '../free-port.ts';

/** Ceph's S3 gateway, one for all test files that run. */

export interface GatewayFacts {
  /** Its configuration and logs. */
  readonly folder: string;
  /** `http://127.0.0.1:port` */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface SecondGateway {
  readonly endpoint: string;
  /** Ends it at once. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface Gateway extends GatewayFacts {
  /** A name for a bucket that nobody has used; it is not created. */
  newBucket(): string;
  /** Another gateway to the same buckets, for tests that stop it. */
  second(): Promise<SecondGateway>;
  /** Runs radosgw-admin and returns what it prints. */
  admin(...args: string[]): Promise<string>;
  /** To be called when the tests of a file have ended. */
  release(): void;
}

/** Why there is no gateway here, or false. */
export const gatewayMissing: string | false = [
  'radosgw',
  'radosgw-admin',
  'ceph-mon',
  'ceph-osd',
  'ceph-mgr',
  'monmaptool',
].every(hasCommand)
  ? false
  : "needs Ceph's object gateway";

/** An abstract address: it goes with the process that holds it. `name` tells several apart; the tests' has none. */
export const keeperAddress = (name: string): string => `\0lifeboat-test-s3-${process.getuid?.()}${name}`;

type CommandLine = readonly [program: string, args: readonly string[]];

export const cephCommand = (folder: string, program: string, args: readonly string[]): CommandLine => [
  program,
  ['-c', join(folder, 'ceph.conf'), ...args],
];

/** Runs a program to its end and returns what it prints; throws where it fails. */
export async function runToEnd([program, args]: CommandLine): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${stderr}`);
  return stdout;
}

interface ClusterPlace {
  readonly folder: string;
  readonly fsid: string;
  readonly monPort: number;
  readonly port: number;
}

/** The smallest cluster there is: everything in memory, nobody asks for keys of Ceph's own. */
export function configurationOf({ folder, fsid, monPort, port }: ClusterPlace): string {
  return `[global]
fsid = ${fsid}
run dir = ${folder}
admin socket =
log file = ${folder}/$name.log
log to stderr = false
err to stderr = false
mon host = v2:127.0.0.1:${monPort}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
[mon.a]
mon data = ${folder}/mon
[osd.0]
osd data = ${folder}/osd
[client.rgw]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw thread pool size = 64
rgw rados pool pg num min = 4
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = lifeboat-key=${Buffer.alloc(32, 7).toString('base64')}
`;
}

async function dial(name: string): Promise<Socket | null> {
  const socket = connect(keeperAddress(name));
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return null; // nobody keeps a gateway yet
  }
}

async function connectKeeper(name: string): Promise<Socket> {
  for (let n = 0; n < 100; n++) {
    const socket = await dial(name);
    if (socket) return socket;
    if (n % 20 === 0) {
      const keeper = join(import.meta.dirname, 'gateway-keeper.ts');
      spawn(process.execPath, [keeper, name], { detached: true, stdio: 'ignore' }).unref();
    }
    await sleep(50);
  }
  throw new Error('the keeper of the gateway does not start');
}

/**
 * Starts the gateway where none runs, or joins the one that does. It takes 15 s at first, no time after that.
 *
 * @param name of one that is not shared with others, with buckets of its own; empty: the tests'.
 */
export async function joinGateway(name = ''): Promise<Gateway> {
  const socket = await connectKeeper(name);
  const [line] = (await once(createInterface(socket), 'line')) as [string];
  const facts = JSON.parse(line) as GatewayFacts & { readonly problem?: string };
  if (facts.problem) throw new Error(`the gateway does not start: ${facts.problem}`);
  socket.on('error', () => undefined); // it is only there to show that this process is
  socket.unref();
  return {
    ...facts,
    newBucket: () => `test-${randomBytes(6).toString('hex')}`,
    second: () => secondGateway(facts),
    admin: (...args) => runToEnd(cephCommand(facts.folder, 'radosgw-admin', args)),
    release: () => socket.destroy(),
  };
}

async function secondGateway({ folder }: GatewayFacts): Promise<SecondGateway> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const data = join(folder, `rgw-${port}`);
  mkdirSync(data);
  const settings = [`--rgw-frontends=beast endpoint=127.0.0.1:${port} tcp_nodelay=1`, `--rgw-data=${data}`];
  let child: ReturnType<typeof spawn> | null = null;
  const gateway: SecondGateway = {
    endpoint,
    async start() {
      const [program, args] = cephCommand(folder, 'radosgw', ['-n', 'client.rgw', ...settings, '-f']);
      child = spawn(program, args, { stdio: 'ignore' });
      for (let n = 0; n < 300; n++) {
        if (
          await fetch(endpoint).then(
            ({ ok }) => ok,
            () => false,
          )
        )
          return;
        await sleep(50);
      }
      throw new Error('the second gateway does not start');
    },
    async stop() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      child = null;
    },
  };
  await gateway.start();
  return gateway;
}
