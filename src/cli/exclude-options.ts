import type { PathFilter } from '../policy/filter.ts';
import { type OptionTable, texts } from './options.ts';
import { patternFilters } from './pattern-filters.ts';

/** Patterns of what stays out, as restic spells them. */
export const excludeOptions = {
  exclude: texts({
    short: 'e',
    placeholder: 'PATTERN',
    help: 'leave out what matches the pattern (repeatable)',
  }),
  iexclude: texts({ placeholder: 'PATTERN', help: 'the same, whatever the case of letters (repeatable)' }),
  'exclude-file': texts({ placeholder: 'FILE', help: 'read patterns to leave out from a file (repeatable)' }),
  'iexclude-file': texts({
    placeholder: 'FILE',
    help: 'the same, whatever the case of letters (repeatable)',
  }),
} satisfies OptionTable;

export interface ExcludeValues {
  readonly exclude: readonly string[];
  readonly iexclude: readonly string[];
  readonly excludeFile: readonly string[];
  readonly iexcludeFile: readonly string[];
}

/** @throws LifeboatError `usage` for malformed patterns and unreadable files. */
export function excludeFilters(
  values: ExcludeValues,
  env: Readonly<Record<string, string | undefined>>,
): PathFilter[] {
  const lists = {
    patterns: values.exclude,
    caseInsensitive: values.iexclude,
    files: values.excludeFile,
    caseInsensitiveFiles: values.iexcludeFile,
  };
  return patternFilters('exclude', lists, env);
}
