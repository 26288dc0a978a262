import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ErrorCode, errnoOf, LifeboatError, messageOf } from '../core/errors.ts';
import { boundToUs } from './outlive.ts';
import { launchAs, type RunAccount } from './run-as.ts';

/**
 * Runs programs of others, such as a database's own tools. Arguments and environment are never repeated in errors;
 * what a program says on its standard error is kept, at most its last part, without the secrets named.
 */

export interface ToolCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** On top of this process's environment, which passes without its `PG…` and `LIFEBOAT_…` variables. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Runs as another account, with all of its groups. */
  readonly account?: RunAccount;
  /** Ends with this process even where that is killed; on Linux. Not together with `account`. */
  readonly endsWithUs?: boolean;
  /** Bytes for its standard input; where absent that is empty. */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Aborting ends the program. */
  readonly signal?: AbortSignal;
  /** Replaced wherever the program repeats them. */
  readonly secrets?: readonly string[];
  /** Each line of its standard error as it comes. */
  readonly onMessage?: (line: string) => void;
}

export interface ToolResult {
  /** null where a signal ended it. */
  readonly status: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** At most `stdoutBytesMax` from its begin. */
  readonly stdout: Buffer;
  /** The end of it. */
  readonly stderr: string;
}

const stderrCharactersMax = 16 * 1024;
const stdoutBytesMax = 64 * 1024 * 1024;
/** After SIGTERM a program may clean up for this long. */
const killAfterMs = 10_000;
/** What it started may hold its output open after it: a server begun by its control program does. */
const inheritedPipesMs = 1000;

function environment(more: ToolCommand['env']): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:PG|LIFEBOAT_)/.test(name));
  return { ...Object.fromEntries(inherited), ...more };
}

function redact(text: string, secrets: readonly string[] = []): string {
  return secrets.reduce((left, secret) => (secret === '' ? left : left.replaceAll(secret, '***')), text);
}

/** Keeps the end of what is said, and tells each line. */
function listen(from: Readable, { secrets, onMessage }: ToolCommand): () => string {
  let kept = '';
  let line = '';
  from.setEncoding('utf8');
  from.on('data', (text: string) => {
    kept = (kept + text).slice(-stderrCharactersMax);
    if (!onMessage) return;
    const lines = (line + text).split('\n');
    line = (lines.pop() ?? '').slice(0, stderrCharactersMax);
    for (const each of lines) onMessage(redact(each, secrets));
  });
  from.on('end', () => {
    if (line !== '') onMessage?.(redact(line, secrets));
  });
  return () => redact(kept, secrets).trimEnd();
}

function cannotRun({ program }: ToolCommand, error: unknown): LifeboatError {
  const code: ErrorCode = errnoOf(error) === 'ENOENT' ? 'tool-missing' : 'tool-failed';
  return new LifeboatError(code, `cannot run ${program}: ${messageOf(error)}`, { cause: error });
}

interface Running {
  readonly child: ChildProcess & { stdout: Readable; stderr: Readable; stdin: Writable };
  readonly stderr: () => string;
  /** @throws where the program could not be run. */
  readonly ended: Promise<{ status: number | null; killedBy: NodeJS.Signals | null }>;
  end(): void;
  closePipes(): void;
}

function start(command: ToolCommand): Running {
  if (command.signal?.aborted) throw new LifeboatError('cancelled', `${command.program} was not started`);
  const { program, args, account } = command.account
    ? launchAs(command.program, command.args, command.account)
    : { ...(command.endsWithUs ? boundToUs(command.program, command.args) : command), account: null };
  const launch = () => {
    try {
      return spawn(program, [...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: environment(command.env),
        ...(command.cwd !== undefined && { cwd: command.cwd }),
        ...account,
      });
    } catch (error) {
      throw cannotRun(command, error);
    }
  };
  const child = launch();
  let killer: NodeJS.Timeout | undefined;
  const end = (): void => {
    if (child.exitCode !== null || child.signalCode !== null || killer) return;
    child.kill('SIGTERM');
    killer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    killer.unref();
  };
  const closePipes = (): void => {
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  };
  command.signal?.addEventListener('abort', end, { once: true });
  const stderr = listen(child.stderr, command);
  // A program that ends before it has read everything says by its status whether that was an error.
  child.stdin.on('error', () => undefined);
  const { input } = command;
  let inputFailure: unknown = null;
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) {
    child.stdin.end(input);
  } else {
    pipeline(input, child.stdin).catch((error: unknown) => {
      if (errnoOf(error) === 'EPIPE' || errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE') return;
      // Half of an input must not count as the whole.
      inputFailure = error;
      end();
    });
  }
  const ended = new Promise<{ status: number | null; killedBy: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', (error) => reject(cannotRun(command, error)));
    child.on('exit', () => {
      if (killer) closePipes();
    });
    child.on('close', (status, killedBy) => {
      if (inputFailure !== null) reject(inputFailure);
      else resolve({ status, killedBy });
    });
  }).finally(() => {
    clearTimeout(killer);
    command.signal?.removeEventListener('abort', end);
  });
  ended.catch(() => undefined); // told where it is awaited
  return { child, stderr, ended, end, closePipes };
}

/** What a program that failed said, as an error. */
export function toolFailure(
  { program, signal }: ToolCommand,
  { status, killedBy, stderr }: Pick<ToolResult, 'status' | 'killedBy' | 'stderr'>,
): LifeboatError {
  const name = program.split('/').at(-1) ?? program;
  if (signal?.aborted) return new LifeboatError('cancelled', `${name} was cancelled`);
  const how = killedBy ? `was ended by ${killedBy}` : `ended with exit status ${status}`;
  return new LifeboatError('tool-failed', stderr === '' ? `${name} ${how}` : `${name} ${how}: ${stderr}`);
}

/**
 * Runs a program to its end, whatever its status.
 * @throws LifeboatError `tool-missing` or `tool-failed` where it cannot be run, `cancelled`, or what `input` threw
 */
export async function runTool(command: ToolCommand): Promise<ToolResult> {
  const { child, stderr, ended, closePipes } = start(command);
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    if (bytes < stdoutBytesMax) chunks.push(chunk);
    bytes += chunk.length;
  });
  child.on('exit', () => {
    let seen = -1;
    // Two looks at least, with reading between them, so that nothing that waits in a pipe is lost.
    const look = setInterval(() => {
      if (bytes === seen) closePipes();
      seen = bytes;
    }, inheritedPipesMs / 2);
    child.once('close', () => clearInterval(look));
  });
  const { status, killedBy } = await ended;
  const result = {
    status,
    killedBy,
    stdout: Buffer.concat(chunks).subarray(0, stdoutBytesMax),
    stderr: stderr(),
  };
  if (command.signal?.aborted) throw toolFailure(command, result);
  return result;
}

/** As `runTool`; any status but 0 is `tool-failed` with what the program said. */
export async function runToolToSuccess(command: ToolCommand): Promise<ToolResult> {
  const result = await runTool(command);
  if (result.status !== 0) throw toolFailure(command, result);
  return result;
}

export interface ToolStream {
  /**
   * Standard output, consumed once. Where the program fails it throws at the end instead of ending; leaving early
   * ends the program.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the program ended with status 0. @throws LifeboatError `tool-failed`, `tool-missing`, `cancelled` */
  completed(): Promise<void>;
  /** Ends the program where it still runs. */
  close(): void;
}

/** Starts a program whose standard output is the data. */
export function streamTool(command: ToolCommand): ToolStream {
  const { child, stderr, ended, end } = start(command);
  const completed = async (): Promise<void> => {
    const { status, killedBy } = await ended;
    if (status !== 0) throw toolFailure(command, { status, killedBy, stderr: stderr() });
  };
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let whole = false;
    try {
      yield* child.stdout as AsyncIterable<Uint8Array>;
      whole = true;
    } finally {
      if (!whole) end();
    }
    await completed();
  }
  return {
    bytes: bytes(),
    completed,
    close() {
      end();
      child.stdout.destroy();
    },
  };
}
