import { type HookEvents, type HookFacts, type HookMoment, runHooks } from '../engine/recover/hooks.ts';
import type { PostgresSource } from '../model/configuration.ts';
import { runHook } from '../transport/run-hook.ts';

const hooksOf = {
  'before-backup': 'beforeBackup',
  'after-backup': 'afterBackup',
  'before-restore': 'beforeRestore',
  'after-restore': 'afterRestore',
} as const satisfies Record<HookMoment, keyof PostgresSource['hooks']>;

/** Runs the hooks of a source for a moment, with real commands and requests. @throws LifeboatError `hook-failed`, `cancelled`. */
export function runSourceHooks(
  source: PostgresSource,
  moment: HookMoment,
  more: NonNullable<HookFacts['more']>,
  signal: AbortSignal,
  events: Required<HookEvents>,
): Promise<void> {
  const facts: HookFacts = { moment, source: source.name, more };
  return runHooks(source.hooks[hooksOf[moment]], facts, runHook, signal, events);
}
