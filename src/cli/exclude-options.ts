import { readFileSync } from 'node:fs';
import { type ByteString, bytesOfText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { compileFilter, type PathFilter } from '../policy/filter.ts';
import { parsePatternFile } from '../policy/pattern-file.ts';
import { type OptionTable, texts } from './options.ts';

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

function patternsOfFiles(
  option: string,
  files: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ByteString[] {
  return files.flatMap((file) => {
    try {
      return parsePatternFile(readFileSync(file), env);
    } catch (error) {
      throw new LifeboatError('usage', `--${option}: cannot read ${file}: ${messageOf(error)}`, {
        cause: error,
        hint: 'check the path of the file with the patterns',
      });
    }
  });
}

/** @throws LifeboatError `usage` for malformed patterns and unreadable files. */
export function excludeFilters(
  values: ExcludeValues,
  env: Readonly<Record<string, string | undefined>>,
): PathFilter[] {
  return [
    compileFilter(values.exclude.map(bytesOfText), { origin: '--exclude' }),
    compileFilter(values.iexclude.map(bytesOfText), { origin: '--iexclude', caseInsensitive: true }),
    compileFilter(patternsOfFiles('exclude-file', values.excludeFile, env), { origin: '--exclude-file' }),
    compileFilter(patternsOfFiles('iexclude-file', values.iexcludeFile, env), {
      origin: '--iexclude-file',
      caseInsensitive: true,
    }),
  ];
}
