import { LifeboatError } from '../core/errors.ts';
import type { Command } from './command.ts';
import { commandGroups, commandTable } from './command-table.ts';
import type { FoundCommand } from './find-command.ts';
import { findCommand } from './find-command.ts';
import { globalOptionsOf, globalOptionTable } from './global-options.ts';
import { formatCommandHelp, formatFamilyHelp, formatOverview } from './help.ts';
import type { OptionTable } from './options.ts';
import { flag } from './options.ts';
import { parseArguments } from './parse-options.ts';
import { asLifeboatError, reportError } from './report-error.ts';
import type { OutputStream } from './terminal.ts';
import { Output } from './terminal.ts';
import { showTraffic } from './traffic.ts';

/** What a run touches of the process it lives in. */
export interface Surroundings {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Why a run is aborted when nobody reads its output any more; it then ends without a word. */
export const brokenPipe = Symbol('broken pipe');
/** What a shell reports for a program that ended because of that. */
const brokenPipeStatus = 141;

const helpOption = { help: flag({ short: 'h', help: 'show this help' }) } satisfies OptionTable;

/** Runs one command line and resolves to its exit status; failures are printed, never thrown. */
export async function run(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { stdout, stderr, env, signal } = surroundings;
  // Until the options are read, --json anywhere decides how an error in them is printed.
  let output = new Output({ stdout, stderr, env, json: args.includes('--json') });
  try {
    refuseLostBytes(args);
    const found = await findCommand(args, commandTable);
    if (found === null || found.command.kind === 'family') return showMenu(found, args, output);

    const { command } = found;
    const parsed = parseArguments(
      found.args,
      { ...globalOptionTable, ...helpOption, ...command.options },
      env,
    );
    if (parsed.values.help === true) return print(output, helpLines(found, command, output));
    const global = globalOptionsOf(parsed);
    output = new Output({ stdout, stderr, env, json: global.json, verbosity: global.verbosity });
    checkPositionals(command, parsed.positionals, found.prefix);

    const status = await command.run({
      options: parsed.values,
      args: parsed.positionals,
      global,
      output,
      signal,
      env,
      stdin: surroundings.stdin,
      stderr,
    });
    showTraffic(output);
    const lost = signal.reason === brokenPipe || signal.reason instanceof LifeboatError;
    if (lost || !command.runsUntilStopped) signal.throwIfAborted();
    return status;
  } catch (thrown) {
    output.status([]);
    if (signal.reason === brokenPipe) return brokenPipeStatus;
    return reportError(asLifeboatError(thrown, signal), output, env);
  } finally {
    await output.close();
  }
}

/** Node turns bytes of an argument that are no UTF-8 into U+FFFD: another place than the user named. */
function refuseLostBytes(args: readonly string[]): void {
  const lost = args.find((arg) => arg.includes('\uFFFD'));
  if (lost === undefined) return;
  throw new LifeboatError(
    'usage',
    `the argument ${JSON.stringify(lost)} is not UTF-8, and its bytes are lost`,
    {
      hint: 'name the folder above it, or give the name in a list with --files-from-raw',
    },
  );
}

/** For tests and `help`: how wide and how bold. */
export function helpStyle(output: Output): { columns: number; heading(text: string): string } {
  return { columns: output.readableColumns, heading: (text) => output.style('bold', text) };
}

function helpLines(found: FoundCommand, command: Command, output: Output): string[] {
  return formatCommandHelp(command, found.summary, found.prefix, helpStyle(output));
}

/** Without a command there is only help to give; unknown options are still an error. */
function showMenu(found: FoundCommand | null, args: readonly string[], output: Output): number {
  const parsed = parseArguments(found?.args ?? args, { ...globalOptionTable, ...helpOption }, {});
  const asked = parsed.values.help === true;
  if (found?.command.kind !== 'family') {
    print(output, formatOverview(commandGroups, helpStyle(output)));
    return 0;
  }
  if (!asked) {
    const name = `${found.prefix} ${found.command.name}`;
    throw new LifeboatError(
      'usage',
      `${name} needs a command: ${Object.keys(found.command.members).join(', ')}`,
    );
  }
  return print(output, formatFamilyHelp(found.command, found.summary, found.prefix, helpStyle(output)));
}

function print(output: Output, lines: readonly string[]): number {
  for (const line of lines) output.line(line);
  return 0;
}

function checkPositionals(command: Command, positionals: readonly string[], prefix: string): void {
  const { min = 0, max = 0 } = command.positionals ?? {};
  const usage = `usage: ${prefix} ${command.usage}`;
  if (positionals.length < min)
    throw new LifeboatError('usage', `${command.name} needs more arguments; ${usage}`);
  if (positionals.length > max) {
    throw new LifeboatError('usage', `unexpected argument ${JSON.stringify(positionals[max])}; ${usage}`);
  }
}
