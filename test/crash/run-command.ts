import { LifeboatError } from '../../src/core/errors.ts';
import { testPassword } from '../repositories/cheap.ts';

/** A command that ended with another exit status than 0. */
export class CommandFailed extends LifeboatError {
  readonly output: string;

  constructor(args: readonly string[], status: number, output: string) {
    super('storage-failed', `lifeboat ${args.join(' ')} ended with ${status}:\n${output}`);
    this.output = output;
  }
}

/** Runs a command line in this process, on whatever storage `faulty-local.ts` gives it. */
export async function runCommand(args: readonly string[]): Promise<void> {
  // Loaded late: the hook of faulty-local.ts must be there before.
  const { run } = await import('../../src/cli/run.ts');
  let output = '';
  const stream = {
    isTTY: false,
    write(text: string, done?: () => void): boolean {
      output += text;
      done?.();
      return true;
    },
  } as unknown as NodeJS.WriteStream;
  const env = { LIFEBOAT_PASSWORD: testPassword, LIFEBOAT_FROM_PASSWORD: testPassword };
  const { signal } = new AbortController();
  const status = await run(args, { stdin: process.stdin, stdout: stream, stderr: stream, env, signal });
  if (output.includes('this is a defect in Lifeboat')) throw new Error(output);
  if (status !== 0) throw new CommandFailed(args, status, output);
}
