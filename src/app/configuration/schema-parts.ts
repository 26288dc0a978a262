import * as z from 'zod';
import { nearest } from '../../core/suggest.ts';
import { durationExpected, durationPattern, sizeExpected, sizePattern } from './units.ts';

/** What the schema of configuration files is made of: texts, names, durations, secrets, mappings. */

export const expected = (what: string) => ({ error: `expected ${what}` });

/** Keys that later versions will know; a file that needs them is refused, not half obeyed. */
interface Later {
  readonly later?: readonly string[];
  readonly laterSays?: (key: string) => string;
}

/**
 * A mapping with these keys and no others. The message for unknown keys has one line for each key, in their order.
 */
export function mapping<T extends z.ZodRawShape>(description: string, shape: T, more: Later = {}) {
  const known = Object.keys(shape);
  const later = more.later ?? [];
  const explain = (key: string): string => {
    if (later.includes(key)) return more.laterSays?.(key) ?? 'not supported by this version';
    const near = nearest(key, known);
    return `unknown key; ${near ? `did you mean ${near}?` : `known here: ${known.join(', ')}`}`;
  };
  return z
    .strictObject(shape, {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? (issue.keys as string[]).map(explain).join('\n')
          : 'expected a mapping (key: value)',
    })
    .meta({ description });
}

export const text = (what: string) => z.string(expected(what)).min(1, expected(what));
export const texts = (what: string) => z.array(text(what), expected(`a list: ${what}`));
export const choice = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, expected(`${values.slice(0, -1).join(', ')} or ${values.at(-1)}`));
export const truth = () => z.boolean(expected('true or false'));

export const duration = () => {
  const wanted = expected(durationExpected);
  return z.string(wanted).regex(durationPattern, wanted);
};
export const size = () => {
  const wanted = expected(sizeExpected);
  return z.string(wanted).regex(sizePattern, wanted);
};

export const secretExpected =
  'a reference to a secret, never the secret itself: env:NAME, file:PATH or command:LINE';
export const secret = () => {
  const wanted = expected(secretExpected);
  return z.string(wanted).regex(/^(?:env:[A-Za-z_]\w*|file:.+|command:.*\S.*)$/, wanted);
};

const nameExpected = expected(
  'a name of a-z, 0-9 and -, at most 63 of them, beginning with a letter or digit',
);
export const name = () => z.string(nameExpected).regex(/^[a-z0-9][a-z0-9-]{0,62}$/, nameExpected);
export const named = <T extends z.ZodType>(description: string, each: T) =>
  z.record(name(), each, expected('a mapping of names')).meta({ description });
export const namesOrOne = (description: string) => {
  const wanted = expected('a name or a list of names');
  return z.union([name(), z.array(name(), wanted).min(1, wanted)], wanted).meta({ description });
};

export const wholeFrom = (min: number) => {
  const wanted = expected(`a whole number of at least ${min}`);
  return z.int(wanted).min(min, wanted);
};
