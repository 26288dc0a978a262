import { LifeboatError } from '../../../core/errors.ts';
import { runTool, runToolToSuccess } from '../../../transport/run-tool.ts';
import type { ToolLogin } from './held-environment.ts';
import { type RestoreArguments, restoreArguments } from './restore-arguments.ts';
import { parseToc, type TocEntry } from './toc.ts';

/** pg_restore: what a dump holds, and bringing it into a database. */

export interface RestoreRun extends RestoreArguments {
  /** Path of pg_restore. */
  readonly program: string;
  readonly login: ToolLogin;
  /** The dump where it is no file. */
  readonly input: AsyncIterable<Uint8Array> | null;
  readonly signal: AbortSignal;
}

export interface RestoreOutcome {
  /** What the server or pg_restore refused, at most `problemsListed`, without the statements, which may hold secrets. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly warnings: readonly string[];
}

const problemsListed = 20;

/** Runs it to its end; errors are in the outcome. @throws LifeboatError `cancelled`, `tool-missing`; what `input` throws. */
export async function runRestore(run: RestoreRun): Promise<RestoreOutcome> {
  const problems: string[] = [];
  const warnings: string[] = [];
  let problemCount = 0;
  let inError = false;
  const { status, killedBy, stderr } = await runTool({
    program: run.program,
    args: restoreArguments(run),
    env: { ...run.login.env, LC_ALL: 'C' },
    secrets: run.login.secrets,
    endsWithUs: true,
    signal: run.signal,
    ...(run.input ? { input: run.input } : {}),
    onMessage(line) {
      const said = /^pg_restore: (error|warning|detail|hint): (.*)$/.exec(line);
      if (said) {
        inError = said[1] === 'error';
        if (said[1] === 'warning') {
          if (!/errors ignored on restore/.test(line) && warnings.length < problemsListed)
            warnings.push(said[2]!);
        } else if (inError) {
          problemCount++;
          if (problems.length < problemsListed) problems.push(said[2]!);
        }
      } else if (inError && /^(?:DETAIL|HINT|ERROR): /.test(line) && problemCount <= problemsListed) {
        problems[problems.length - 1] += `; ${line}`;
      } else if (/^Command was: /.test(line)) {
        inError = false;
      }
    },
  });
  if (status !== 0 && problemCount === 0) {
    const how = killedBy ? `was ended by ${killedBy}` : `ended with exit status ${status}`;
    problems.push(`pg_restore ${how}${stderr === '' ? '' : `: ${stderr.split('\n').at(-1)}`}`);
    problemCount = 1;
  }
  return { problems, problemCount, warnings };
}

/**
 * The table of contents of a dump.
 * @param archive a folder or file; null: `input` is the dump, of which only the beginning is read.
 * @throws LifeboatError `repository-damaged` where it is no dump.
 */
export async function readToc(
  program: string,
  archive: string | null,
  input: AsyncIterable<Uint8Array> | null,
  signal: AbortSignal,
): Promise<TocEntry[]> {
  try {
    const { stdout } = await runToolToSuccess({
      program,
      args: ['--list', '--verbose', ...(archive === null ? [] : [archive])],
      env: { LC_ALL: 'C' },
      ...(input ? { input } : {}),
      signal,
    });
    return parseToc(stdout.toString('utf8'));
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== 'tool-failed') throw error;
    throw new LifeboatError('repository-damaged', `the dump cannot be read: ${error.message}`, {
      cause: error,
      hint: 'restore an earlier snapshot, and run `lifeboat check --read-data` on the repository',
    });
  }
}
