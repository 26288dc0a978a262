/**
 * Declarations of command-line options. An option is data: how it is spelled, what the help says, which
 * environment variables stand in for it, and how the texts given become one typed value.
 */
export interface OptionSpec<T> {
  /** False where the bare option is the whole statement (`--json`). */
  readonly takesValue: boolean;
  /** One letter, without the dash. */
  readonly short?: string;
  /** What the help calls the value, as in `--repo LOCATION`. */
  readonly placeholder?: string;
  readonly help: string;
  /** Read in this order when the option is not given; an empty variable counts as unset. */
  readonly env?: readonly string[];
  /** Left out of the help: old spellings that still work. */
  readonly hidden?: boolean;
  /** Turns the texts in the order given (none: absent) into the value; throws an Error that says what was expected. */
  combine(texts: readonly string[]): T;
}

export type OptionTable = Readonly<Record<string, OptionSpec<unknown>>>;

/** `dry-run` → `dryRun`. */
export type CamelCase<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The values of a table of options, keyed by their names in camel case. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T & string as CamelCase<K>]: T[K] extends OptionSpec<infer V> ? V : never;
};

export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

interface Common {
  readonly short?: string;
  readonly help: string;
  readonly env?: readonly string[];
  readonly hidden?: boolean;
}

interface Valued extends Common {
  readonly placeholder: string;
}

/** `--json`; also `--json=false`, as restic takes it. */
export function flag(common: Common): OptionSpec<boolean> {
  return {
    ...common,
    takesValue: false,
    combine: (texts) => {
      const last = texts.at(-1);
      return last !== undefined && parseBoolean(last);
    },
  };
}

/** `-v -v`, `-vv` or `--verbose=2`. */
export function count(common: Common): OptionSpec<number> {
  return {
    ...common,
    takesValue: false,
    combine: (texts) => {
      let sum = 0;
      for (const text of texts) {
        if (text === 'true') sum += 1;
        else if (/^\d+$/.test(text)) sum = Number(text);
        else throw new Error('expected a number');
      }
      return sum;
    },
  };
}

/** A text, undefined when not given. */
export function text(valued: Valued): OptionSpec<string | undefined> {
  return value({ ...valued, parse: (given) => given });
}

/** A typed value, undefined when not given; given twice, the last one counts. */
export function value<T>(valued: Valued & { parse(text: string): T }): OptionSpec<T | undefined> {
  const { parse, ...rest } = valued;
  return {
    ...rest,
    takesValue: true,
    combine: (texts) => texts.map((given) => parse(given)).at(-1),
  };
}

/** A typed value with a default. */
export function valueOr<T>(valued: Valued & { fallback: T; parse(text: string): T }): OptionSpec<T> {
  const { parse, fallback, ...rest } = valued;
  return {
    ...rest,
    takesValue: true,
    combine: (texts) => (texts.length === 0 ? fallback : (texts.map((given) => parse(given)).at(-1) as T)),
  };
}

/** Repeatable: every text given, in order; nothing is split at commas. */
export function texts(valued: Valued): OptionSpec<readonly string[]> {
  return { ...valued, takesValue: true, combine: (given) => [...given] };
}

/** Repeatable and typed. */
export function values<T>(valued: Valued & { parse(text: string): T }): OptionSpec<readonly T[]> {
  const { parse, ...rest } = valued;
  return { ...rest, takesValue: true, combine: (given) => given.map((one) => parse(one)) };
}

function parseBoolean(given: string): boolean {
  if (/^(1|t|true)$/i.test(given)) return true;
  if (/^(0|f|false)$/i.test(given)) return false;
  throw new Error('expected true or false');
}
