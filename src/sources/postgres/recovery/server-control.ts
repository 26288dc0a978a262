import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { LifeboatError } from '../../../core/errors.ts';
import { runTool, runToolToSuccess } from '../../../transport/run-tool.ts';
import type { ConfigPlace } from './config-files.ts';
import type { Account } from './data-directory.ts';
import { runningServer } from './data-directory.ts';
import type { ServerPrograms } from './programs.ts';

/** Stopping the server that is in the way, and starting the one that was recovered as its users know it. */

const stopTimeoutS = 300;
const startTimeoutS = 600;
const debianControl = '/usr/bin/pg_ctlcluster';

export interface ServerPlace {
  readonly dataDirectory: string;
  readonly programs: ServerPrograms;
  readonly account: Account | null;
  readonly config: ConfigPlace;
}

/** @throws LifeboatError `recovery-server-running` where it does not stop. */
export async function stopServer(place: ServerPlace): Promise<void> {
  const { dataDirectory, programs, account } = place;
  const result = await runTool({
    program: programs.pgCtl,
    args: ['stop', '-D', dataDirectory, '-m', 'fast', '-w', '-t', String(stopTimeoutS)],
    cwd: '/',
    ...(account ? { account } : {}),
  });
  if (runningServer(dataDirectory) === null) return;
  throw new LifeboatError(
    'recovery-server-running',
    `the server in ${dataDirectory} did not stop: ${result.stderr || 'pg_ctl gave no reason'}`,
  );
}

export interface StartedServer {
  /** As postmaster.pid says: folder of the socket or an address, and port. */
  readonly host: string;
  readonly port: number;
  /** What pg_isready said; null where it is not installed. */
  readonly answer: string | null;
  readonly logFile: string | null;
}

/**
 * Starts the server with its own settings and asks whether it accepts connections.
 * @throws LifeboatError `recovery-failed` with what the server said.
 */
export async function startServer(place: ServerPlace, signal: AbortSignal): Promise<StartedServer> {
  const { dataDirectory, programs, account, config } = place;
  const logFile = join(dataDirectory, 'lifeboat-start.log');
  const { debianCluster } = config;
  const byDebian = debianCluster !== null && existsSync(debianControl);
  const given = configArguments(place);
  const options = given.length === 0 ? [] : ['-o', given.map(shellQuoted).join(' ')];
  const command = byDebian
    ? { program: debianControl, args: [debianCluster.version, debianCluster.name, 'start'] }
    : {
        program: programs.pgCtl,
        args: ['start', '-D', dataDirectory, '-w', '-t', String(startTimeoutS), '-l', logFile, ...options],
        ...(account ? { account } : {}),
      };
  const result = await runTool({ ...command, cwd: '/', signal });
  if (result.status !== 0) {
    const said = !byDebian && existsSync(logFile) ? lastLines(readFileSync(logFile, 'utf8')) : '';
    throw new LifeboatError(
      'recovery-failed',
      `the cluster in ${dataDirectory} was recovered, but its server does not start with its own settings: ${said || result.stderr || result.stdout.toString().trim()}`,
      { hint: 'correct its configuration and start it; the data need not be restored again' },
    );
  }
  if (!byDebian && existsSync(logFile) && readFileSync(logFile).length === 0) unlinkSync(logFile);
  const { host, port } = addressOf(dataDirectory);
  const answer = programs.pgIsReady === null ? null : await isReady(programs.pgIsReady, host, port, signal);
  return { host, port, answer, logFile: !byDebian && existsSync(logFile) ? logFile : null };
}

/** Options of `postgres` that lead it to a configuration elsewhere. */
export function configArguments({ config, dataDirectory }: ServerPlace): string[] {
  if (config.configFile === null) return [];
  const settings = [
    `config_file=${config.configFile}`,
    `data_directory=${dataDirectory}`,
    'external_pid_file=',
  ];
  return settings.flatMap((setting) => ['-c', setting]);
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const lastLines = (text: string): string => text.trimEnd().split('\n').slice(-5).join('; ');

/** Lines 4 to 6 of postmaster.pid (miscadmin.h): port, first folder of sockets, first address. */
function addressOf(dataDirectory: string): { host: string; port: number } {
  const lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n');
  const address = lines[5]?.trim() ?? '';
  return {
    host: lines[4]?.trim() || (address === '*' || address === '' ? 'localhost' : address),
    port: Number(lines[3]),
  };
}

async function isReady(program: string, host: string, port: number, signal: AbortSignal): Promise<string> {
  const { stdout } = await runToolToSuccess({
    program,
    args: ['-h', host, '-p', String(port), '-t', '30'],
    cwd: '/',
    signal,
  });
  return stdout.toString().trim();
}
