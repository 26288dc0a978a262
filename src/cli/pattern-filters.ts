import { readFileSync } from 'node:fs';
import { type ByteString, bytesOfText } from '../core/bytestring.ts';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { compileFilter, type PathFilter } from '../policy/filter.ts';
import { parsePatternFile } from '../policy/pattern-file.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the four options of one kind were given. */
export interface PatternLists {
  readonly patterns: readonly string[];
  readonly caseInsensitive: readonly string[];
  readonly files: readonly string[];
  readonly caseInsensitiveFiles: readonly string[];
}

function patternsOfFile(option: string, file: string, env: Environment): ByteString[] {
  try {
    return parsePatternFile(readFileSync(file), env);
  } catch (error) {
    throw new LifeboatError('usage', `${option}: cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'check the path of the file with the patterns',
    });
  }
}

/**
 * Filters of --exclude, --iexclude and their files, or of --include and its like.
 * @throws LifeboatError `usage` for malformed patterns and unreadable files.
 */
export function patternFilters(
  kind: 'exclude' | 'include',
  lists: PatternLists,
  env: Environment,
): PathFilter[] {
  const given = (patterns: readonly string[], option: string, caseInsensitive: boolean): PathFilter =>
    compileFilter(patterns.map(bytesOfText), { origin: option, caseInsensitive });
  const read = (files: readonly string[], option: string, caseInsensitive: boolean): PathFilter =>
    compileFilter(
      files.flatMap((file) => patternsOfFile(option, file, env)),
      { origin: option, caseInsensitive },
    );
  return [
    given(lists.patterns, `--${kind}`, false),
    given(lists.caseInsensitive, `--i${kind}`, true),
    read(lists.files, `--${kind}-file`, false),
    read(lists.caseInsensitiveFiles, `--i${kind}-file`, true),
  ];
}
