import { readFileSync } from 'node:fs';
import { type ByteString, bytesOfText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { compileFilter, type PathFilter } from '../policy/filter.ts';
import { parsePatternFile } from '../policy/pattern-file.ts';
import { type OptionTable, texts } from './options.ts';

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

function patternsOfFile(
  option: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): ByteString[] {
  try {
    return parsePatternFile(readFileSync(file), env);
  } catch (error) {
    throw new LifeboatError('usage', `--${option}: cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'check the path of the file with the patterns',
    });
  }
}

/** @throws LifeboatError `usage` for malformed patterns and unreadable files. */
export function includeFilters(
  values: IncludeValues,
  env: Readonly<Record<string, string | undefined>>,
): PathFilter[] {
  const fromFiles = (option: string, files: readonly string[]): ByteString[] =>
    files.flatMap((file) => patternsOfFile(option, file, env));
  return [
    compileFilter(values.include.map(bytesOfText), { origin: '--include' }),
    compileFilter(values.iinclude.map(bytesOfText), { origin: '--iinclude', caseInsensitive: true }),
    compileFilter(fromFiles('include-file', values.includeFile), { origin: '--include-file' }),
    compileFilter(fromFiles('iinclude-file', values.iincludeFile), {
      origin: '--iinclude-file',
      caseInsensitive: true,
    }),
  ];
}
