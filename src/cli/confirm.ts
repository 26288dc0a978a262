import { LifeboatError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';

const answerBytesMax = 1024;

/**
 * Asks on the terminal whether to go on with what cannot be taken back.
 * @param yes of the option `--yes`: nothing is asked.
 * @throws LifeboatError `confirmation-needed` where the answer is not yes, or there is no terminal to ask on.
 */
export async function confirm(
  context: Pick<CommandContext, 'stdin' | 'stderr' | 'signal' | 'output'>,
  question: string,
  yes: boolean,
): Promise<void> {
  if (yes) return;
  const { stdin, stderr, signal } = context;
  if (!stdin.isTTY)
    throw new LifeboatError(
      'confirmation-needed',
      `"${question.trim()}" has to be answered, and there is no terminal to ask on`,
    );
  context.output.flush();
  stderr.write(`${question} [y/N] `);
  const answer = await new Promise<string>((resolve, reject) => {
    let typed = '';
    const settle = (finish: () => void): void => {
      stdin.off('data', take);
      stdin.off('end', end);
      signal.removeEventListener('abort', giveUp);
      stdin.pause();
      finish();
    };
    const take = (chunk: Buffer): void => {
      typed += chunk.toString('utf8');
      if (typed.includes('\n') || typed.length > answerBytesMax) settle(() => resolve(typed));
    };
    const end = (): void => settle(() => resolve(typed));
    const giveUp = (): void => settle(() => reject(new LifeboatError('cancelled', 'nothing was changed')));
    stdin.on('data', take);
    stdin.once('end', end);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    else stdin.resume();
  });
  if (/^\s*y(?:es)?\s*$/i.test(answer)) return;
  throw new LifeboatError('confirmation-needed', 'the answer was not yes, so nothing was changed', {
    hint: 'run the command again when you are sure',
  });
}
