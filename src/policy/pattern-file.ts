import type { ByteString } from '../core/bytestring.ts';
import { bytesOfBuffer, bytesOfText, toText } from '../core/bytestring.ts';
import { decodeTextFile, trimWhiteSpace } from '../core/text-file.ts';

/** `$$`, `${NAME}`, `$NAME`, one of the shell's special names, and a brace that is not closed. */
const reference = /\$(?:\{([^}]*)\}|(\{)|([*#$@!?0-9-])|([A-Za-z0-9_]+))/g;

const outerAsciiWhiteSpace = /^[\t-\r ]+|[\t-\r ]+$/g;

/**
 * The patterns in a file for --exclude-file and its like (restic internal/filter/exclude.go): one a line,
 * white space around it dropped, empty lines and those that begin with `#` ignored, `$NAME` and `${NAME}`
 * replaced by the environment, `$$` by a dollar sign. UTF-16 with a byte order mark is understood; what is
 * not UTF-8 is taken as bytes.
 */
export function parsePatternFile(
  content: Uint8Array,
  env: Readonly<Record<string, string | undefined>>,
): ByteString[] {
  const text = decodeTextFile(content);
  const lines =
    text === null
      ? bytesOfBuffer(content)
          .split('\n')
          .map((line) => line.replace(outerAsciiWhiteSpace, '') as ByteString)
      : text.split('\n').map((line) => bytesOfText(trimWhiteSpace(line)));
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => expand(line, env));
}

function expand(line: ByteString, env: Readonly<Record<string, string | undefined>>): ByteString {
  return line.replace(reference, (_, braced?: string, open?: string, special?: string, name?: string) => {
    const variable = braced ?? special ?? name;
    if (open !== undefined || !variable) return '';
    return variable === '$' ? '$' : bytesOfText(env[toText(variable as ByteString)] ?? '');
  }) as ByteString;
}
