/** The newest releases of other programs that read and write the format, or serve it, built once into the user's cache. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { hasCommand } from './system-packages.ts';

interface Peer {
  readonly name: string;
  /** Tests find the program here; whoever sets it beforehand brings their own. */
  readonly variable: string;
  readonly toolchain: string;
  /** How to build the program into `folder`, as `folder/<path>`. */
  readonly build: (folder: string) => { args: string[]; env: Record<string, string>; path: string };
}

/** Building one peer may take this long; continuous integration sets less. */
const buildMinutesMax = Number(process.env.LIFEBOAT_TEST_BUILD_MINUTES ?? 15);

const peers: readonly Peer[] = [
  {
    name: 'restic',
    variable: 'LIFEBOAT_TEST_RESTIC',
    toolchain: 'go',
    build: (folder) => ({
      args: ['install', 'github.com/restic/restic/cmd/restic@latest'],
      env: { GOBIN: join(folder, 'bin'), CGO_ENABLED: '0' },
      path: 'bin/restic',
    }),
  },
  {
    name: 'rustic',
    variable: 'LIFEBOAT_TEST_RUSTIC',
    toolchain: 'cargo',
    build: (folder) => ({
      args: ['install', '--quiet', '--locked', '--root', folder, 'rustic-rs'],
      env: { CARGO_TARGET_DIR: join(folder, 'target') },
      path: 'bin/rustic',
    }),
  },
  {
    name: 'versitygw',
    variable: 'LIFEBOAT_TEST_VERSITYGW',
    toolchain: 'go',
    build: (folder) => ({
      args: ['install', 'github.com/versity/versitygw/cmd/versitygw@latest'],
      env: { GOBIN: join(folder, 'bin'), CGO_ENABLED: '0' },
      path: 'bin/versitygw',
    }),
  },
  {
    name: 'fake-gcs-server',
    variable: 'LIFEBOAT_TEST_FAKE_GCS',
    toolchain: 'go',
    build: (folder) => ({
      args: ['install', 'github.com/fsouza/fake-gcs-server@latest'],
      env: { GOBIN: join(folder, 'bin'), CGO_ENABLED: '0' },
      path: 'bin/fake-gcs-server',
    }),
  },
];

/** Where built peers are kept between runs. Removing the folder makes the next run build the newest again. */
export function peerCache(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lifeboat-test');
}

/** The last lines of a tool's output, where the reason of its failure stands. */
function lastLines(output: string): string {
  return output.trim().split('\n').slice(-4).join('\n  ');
}

/** Returns why the peer is not there, or null when its variable points to a program. */
function prepare(peer: Peer): string | null {
  const given = process.env[peer.variable];
  if (given) return existsSync(given) ? null : `${peer.variable} names ${given}, which does not exist`;

  const folder = join(peerCache(), peer.name);
  const { args, env, path } = peer.build(folder);
  const program = join(folder, path);
  if (!existsSync(program)) {
    if (!hasCommand(peer.toolchain))
      return `${peer.toolchain} is not installed, and ${peer.variable} is not set`;
    console.log(`> build ${peer.name}: ${peer.toolchain} ${args.join(' ')}`);
    mkdirSync(folder, { recursive: true });
    const { status, stderr, error } = spawnSync(peer.toolchain, args, {
      env: { ...process.env, ...env },
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: buildMinutesMax * 60_000,
    });
    rmSync(join(folder, 'target'), { recursive: true, force: true });
    if (error && 'code' in error && error.code === 'ETIMEDOUT')
      return `not built within ${buildMinutesMax} minutes`;
    if (status !== 0 || !existsSync(program)) return `it could not be built:\n  ${lastLines(stderr ?? '')}`;
  }
  process.env[peer.variable] = program;
  return null;
}

/**
 * Makes the peers ready and points the tests to them by environment variables; the variable of a peer that
 * could not be had is unset, and tests that need it skip with `peer missing`.
 * @returns a line for each peer that could not be had.
 */
export function preparePeers(): string[] {
  const missing: string[] = [];
  for (const peer of peers) {
    const reason = prepare(peer);
    if (reason === null) {
      console.log(`> ${peer.name}: ${process.env[peer.variable]}`);
      continue;
    }
    delete process.env[peer.variable];
    missing.push(`not tested against the newest ${peer.name}: ${reason}`);
  }
  return missing;
}
