import { parseArgs } from 'node:util';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import type { OptionTable } from './options.ts';
import { camelCase } from './options.ts';

/** Where a value came from; absent options have no entry. */
export type ValueOrigin = 'argument' | 'environment';

export interface ParsedArguments {
  /** Every declared option by its name in camel case. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
  /** By the option's name as declared. */
  readonly origins: ReadonlyMap<string, ValueOrigin>;
}

/** An argument that is no option, with its place among the arguments. */
interface Positional {
  readonly text: string;
  readonly index: number;
}

interface Scan {
  readonly given: Map<string, string[]>;
  readonly unknown: string[];
  readonly positionals: Positional[];
}

/**
 * Reads arguments against a table of options. Options and positionals may be mixed; `--` ends the options;
 * a value may follow in the next argument, after `=`, or straight after a short option.
 *
 * @throws LifeboatError `usage` for an unknown option (with the nearest known one), a missing or an invalid
 * value, in the arguments or in the environment.
 */
export function parseArguments(
  args: readonly string[],
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
): ParsedArguments {
  const scan = scanArguments(args, table);
  const [unknown] = scan.unknown;
  if (unknown !== undefined) throw unknownOption(unknown, table);

  const values: Record<string, unknown> = {};
  const origins = new Map<string, ValueOrigin>();
  for (const [name, spec] of Object.entries(table)) {
    const texts = scan.given.get(name);
    const variable = texts === undefined ? spec.env?.find((key) => env[key]) : undefined;
    const origin = texts !== undefined ? 'argument' : variable !== undefined ? 'environment' : undefined;
    if (origin !== undefined) origins.set(name, origin);
    const source = texts ?? (variable === undefined ? [] : [env[variable] as string]);
    try {
      values[camelCase(name)] = spec.combine(source);
    } catch (error) {
      const shown = JSON.stringify(source.at(-1));
      throw new LifeboatError(
        'usage',
        `invalid value ${shown} for ${variable ?? `--${name}`}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }
  return { values, positionals: scan.positionals.map(({ text }) => text), origins };
}

/** The first argument that is no option, skipping the values of options in the table; unknown options are let by. */
export function firstPositional(args: readonly string[], table: OptionTable): Positional | undefined {
  return scanArguments(args, table, false).positionals[0];
}

function scanArguments(args: readonly string[], table: OptionTable, complete = true): Scan {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(table).map(([name, spec]) => [
        name,
        {
          type: spec.takesValue ? ('string' as const) : ('boolean' as const),
          ...(spec.short === undefined ? {} : { short: spec.short }),
        },
      ]),
    ),
  });
  const scan: Scan = { given: new Map(), unknown: [], positionals: [] };
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      scan.positionals.push({ text: token.value, index: token.index });
      continue;
    }
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) {
      scan.unknown.push(token.rawName);
      continue;
    }
    if (spec.takesValue && token.value === undefined) {
      if (!complete) continue;
      throw new LifeboatError(
        'usage',
        `option ${token.rawName} needs a value (${spec.placeholder ?? 'VALUE'})`,
      );
    }
    const short = !token.rawName.startsWith('--');
    const text = token.value ?? 'true';
    const texts = scan.given.get(token.name) ?? [];
    texts.push(short && token.inlineValue === true && text.startsWith('=') ? text.slice(1) : text);
    scan.given.set(token.name, texts);
  }
  return scan;
}

function unknownOption(rawName: string, table: OptionTable): LifeboatError {
  const names = Object.keys(table).filter((name) => table[name]?.hidden !== true);
  const near = rawName.startsWith('--') ? nearest(rawName.slice(2), names) : undefined;
  return new LifeboatError(
    'usage',
    `unknown option ${rawName}${near === undefined ? '' : `; did you mean --${near}?`}`,
  );
}
