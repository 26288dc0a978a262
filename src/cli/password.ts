import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readPasswordFile } from '../app/password-file.ts';
import { LifeboatError } from '../core/errors.ts';
import { decodeTextFile, trimWhiteSpace } from '../core/text-file.ts';
import { promptHidden, readLine } from './prompt.ts';
import { splitCommand } from './split-command.ts';
import type { Output, OutputStream } from './terminal.ts';

/** The places a password can come from. The variables are those without an option, in order. */
export interface PasswordSources {
  readonly passwordFile: string | undefined;
  readonly passwordCommand: string | undefined;
  readonly insecureNoPassword: boolean;
  readonly variables: readonly string[];
  /** Of the configuration; asked last, and not at all for a repository without a password. */
  readonly configured?: (() => Promise<string>) | undefined;
}

export interface PasswordContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stderr: OutputStream;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Where the password of the repository comes from when no option says so. */
export const passwordVariables = ['LIFEBOAT_PASSWORD', 'RESTIC_PASSWORD'] as const;

const commandOutputBytesMax = 1024 * 1024;

/**
 * The password from a command, a file or the environment; null when none of them is set. White space at the
 * ends is dropped from what a command or a file says, and nothing from a variable, as in restic.
 *
 * @throws LifeboatError `password-missing` when the file or command fails, `usage` when it contradicts
 * --insecure-no-password.
 */
export async function passwordFromSources(
  sources: PasswordSources,
  context: PasswordContext,
): Promise<string | null> {
  const found = await lookUp(sources, context);
  if (sources.insecureNoPassword) {
    if (found) throw new LifeboatError('usage', '--insecure-no-password was given together with a password');
    return '';
  }
  if (found) context.output.hide(found);
  return found;
}

async function lookUp(sources: PasswordSources, context: PasswordContext): Promise<string | null> {
  if (sources.passwordCommand !== undefined) return fromCommand(sources.passwordCommand, context.signal);
  if (sources.passwordFile !== undefined) return readPasswordFile(sources.passwordFile, context.signal);
  for (const variable of sources.variables) {
    const password = context.env[variable];
    if (password) return password;
  }
  return sources.configured && !sources.insecureNoPassword ? sources.configured() : null;
}

async function fromCommand(line: string, signal: AbortSignal): Promise<string> {
  const [program = '', ...args] = splitCommand(line);
  const running = promisify(execFile)(program, args, {
    encoding: 'buffer',
    maxBuffer: commandOutputBytesMax,
    signal,
  });
  // The command may tell or ask the user something there; what it prints on stdout stays unseen.
  running.child.stderr?.pipe(process.stderr, { end: false });
  try {
    const { stdout } = await running;
    const password = decodeTextFile(stdout);
    if (password === null)
      throw new LifeboatError('password-missing', `the password command ${program} printed no UTF-8 text`);
    return trimWhiteSpace(password);
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    if (signal.aborted)
      throw new LifeboatError('cancelled', 'the password command was interrupted', { cause: error });
    const code = (error as { code?: unknown }).code;
    const why = typeof code === 'number' ? `ended with exit status ${code}` : `failed (${String(code)})`;
    // The cause is left out: its message holds the command with its arguments.
    throw new LifeboatError('password-missing', `the password command ${program} ${why}`);
  }
}

/**
 * The password of an existing repository: from the sources, else asked for.
 *
 * @throws LifeboatError as `passwordFromSources`, `password-missing` for an empty password that was not asked
 * for, `cancelled`.
 */
export async function resolvePassword(
  sources: PasswordSources,
  context: PasswordContext,
  question = 'enter password for repository: ',
): Promise<string> {
  const found = await passwordFromSources(sources, context);
  if (found === '' && !sources.insecureNoPassword) {
    throw new LifeboatError('password-missing', 'the password file or command holds an empty password', {
      hint: 'give --insecure-no-password where the repository has none',
    });
  }
  return found ?? ask(context, question);
}

/**
 * The password for a new repository or key: as `resolvePassword`, and asked for twice on a terminal.
 *
 * @throws LifeboatError also `usage` when the two answers differ.
 */
export async function resolveNewPassword(
  sources: PasswordSources,
  context: PasswordContext,
  questions: readonly [string, string] = ['enter password for new repository: ', 'enter password again: '],
): Promise<string> {
  const found = await passwordFromSources(sources, context);
  if (found !== null) return found;
  const password = await ask(context, questions[0]);
  if (context.stdin.isTTY && (await ask(context, questions[1])) !== password) {
    throw new LifeboatError('usage', 'the two passwords differ', {
      hint: 'run the command again and enter the same password twice',
    });
  }
  return password;
}

async function ask(context: PasswordContext, question: string): Promise<string> {
  const { stdin, stderr, output, signal } = context;
  output.flush();
  if (!stdin.isTTY) output.infoOnTerminal('reading repository password from stdin');
  const password = stdin.isTTY ? await promptHidden(question, stdin, stderr, signal) : await readLine(stdin);
  if (password === '') {
    throw new LifeboatError(
      'password-missing',
      stdin.isTTY ? 'an empty password was entered' : 'no password was given',
    );
  }
  output.hide(password);
  return password;
}
