import { errorRegistry, LifeboatError, messageOf } from '../core/errors.ts';
import type { Output } from './terminal.ts';

/** Whatever was thrown, as a LifeboatError; an aborted operation is `cancelled`, the rest `internal`. */
export function asLifeboatError(thrown: unknown, signal: AbortSignal): LifeboatError {
  if (thrown instanceof LifeboatError) return thrown;
  const aborted = thrown instanceof Error && thrown.name === 'AbortError';
  if (signal.reason instanceof LifeboatError) return signal.reason;
  if (aborted || (signal.aborted && thrown === signal.reason)) {
    return new LifeboatError('cancelled', 'interrupted', { cause: thrown });
  }
  return new LifeboatError('internal', messageOf(thrown), { cause: thrown });
}

/**
 * Prints an error the way restic's users and scripts know it: `Fatal: …` for people, an `exit_error` object
 * with --json (doc/075_scripting.rst), both on stderr.
 *
 * @returns the exit status.
 */
export function reportError(
  error: LifeboatError,
  output: Output,
  env: Readonly<Record<string, string | undefined>>,
): number {
  const { code, exitStatus, message, hint } = error;
  if (output.json) {
    output.jsonError({ message_type: 'exit_error', code: exitStatus, message, error: code, hint });
  } else {
    const [word, style] =
      errorRegistry[code].exit === 3 ? (['Warning', 'yellow'] as const) : (['Fatal', 'red'] as const);
    output.warn(`${output.errorStyle(style, `${word}:`)} ${message}`);
    output.warn(output.errorStyle('dim', `  hint: ${hint}`));
    if (code !== 'cancelled' && code !== 'usage')
      output.warn(output.errorStyle('dim', `  more: lifeboat help ${code}`));
  }
  if (env.LIFEBOAT_DEBUG === '1') output.warn(causeChain(error));
  return exitStatus;
}

const causesMax = 10;

function causeChain(error: unknown): string {
  const lines: string[] = [];
  let current = error;
  for (let depth = 0; current !== undefined && depth < causesMax; depth++) {
    lines.push(
      `${depth === 0 ? '' : 'caused by: '}${current instanceof Error ? (current.stack ?? current.message) : String(current)}`,
    );
    current = current instanceof Error ? current.cause : undefined;
  }
  return lines.join('\n');
}
