import { LifeboatError } from '../../core/errors.ts';
import type { Hook } from '../../model/configuration.ts';

/** What users hang before and after a backup or a restore: stop the application, run migrations, check its health. */

export type HookMoment = 'before-backup' | 'after-backup' | 'before-restore' | 'after-restore';

export interface HookOutcome {
  readonly durationMs: number;
  /** End of what a command printed, or the status line of an HTTP check. */
  readonly output: string;
}

/** Runs one hook to its end. @throws LifeboatError `hook-failed`, `cancelled`. */
export type HookRunner = (
  hook: Hook,
  run: { readonly env: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Promise<HookOutcome>;

/** What hooks learn of the run, as `LIFEBOAT_…` variables of commands. */
export interface HookFacts {
  readonly moment: HookMoment;
  /** Name of the source. */
  readonly source: string;
  /** Such as `snapshot`, `target` and `database`. */
  readonly more?: Readonly<Record<string, string>>;
}

export interface HookEvents {
  started?(hook: string): void;
  ended?(hook: string, outcome: HookOutcome): void;
}

/** A hook as people may see it: arguments of a command and what follows a host may hold secrets. */
export function describeHook(hook: Hook): string {
  if (hook.command !== null) return `command ${hook.command.trim().split(/\s+/, 1)[0] ?? ''}`;
  if (hook.http !== null && URL.canParse(hook.http)) return `HTTP check of ${new URL(hook.http).host}`;
  return 'HTTP check';
}

function variables({ moment, source, more = {} }: HookFacts): Record<string, string> {
  const named = Object.entries(more).map(([name, value]) => [`LIFEBOAT_${name.toUpperCase()}`, value]);
  return { LIFEBOAT_HOOK: moment, LIFEBOAT_SOURCE: source, ...Object.fromEntries(named) };
}

/**
 * Runs hooks one after the other; the first that fails ends it.
 * @throws LifeboatError `hook-failed` naming the moment and the hook; `cancelled`.
 */
export async function runHooks(
  hooks: readonly Hook[],
  facts: HookFacts,
  runner: HookRunner,
  signal: AbortSignal,
  events: HookEvents = {},
): Promise<void> {
  const env = variables(facts);
  for (const [place, hook] of hooks.entries()) {
    const name = describeHook(hook);
    events.started?.(name);
    try {
      events.ended?.(name, await runner(hook, { env, signal }));
    } catch (error) {
      if (!(error instanceof LifeboatError) || error.code !== 'hook-failed') throw error;
      throw new LifeboatError(
        'hook-failed',
        `hook ${place + 1} ${facts.moment.replace('-', ' a ')} (${name}) failed: ${error.message}`,
        { cause: error, hint: error.hint },
      );
    }
  }
}
