import type { PathFilter } from '../policy/filter.ts';
import { type OptionTable, texts } from './options.ts';
import { patternFilters } from './pattern-filters.ts';

/** Patterns of what is wanted, as restic spells them. */
export const includeOptions = {
  include: texts({
    short: 'i',
    placeholder: 'PATTERN',
    help: 'only what matches the pattern (repeatable)',
  }),
  iinclude: texts({ placeholder: 'PATTERN', help: 'the same, whatever the case of letters (repeatable)' }),
  'include-file': texts({
    placeholder: 'FILE',
    help: 'read patterns of what is wanted from a file (repeatable)',
  }),
  'iinclude-file': texts({
    placeholder: 'FILE',
    help: 'the same, whatever the case of letters (repeatable)',
  }),
} satisfies OptionTable;

export interface IncludeValues {
  readonly include: readonly string[];
  readonly iinclude: readonly string[];
  readonly includeFile: readonly string[];
  readonly iincludeFile: readonly string[];
}

/** @throws LifeboatError `usage` for malformed patterns and unreadable files. */
export function includeFilters(
  values: IncludeValues,
  env: Readonly<Record<string, string | undefined>>,
): PathFilter[] {
  const lists = {
    patterns: values.include,
    caseInsensitive: values.iinclude,
    files: values.includeFile,
    caseInsensitiveFiles: values.iincludeFile,
  };
  return patternFilters('include', lists, env);
}
