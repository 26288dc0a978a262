import type { GlobalOptions } from './global-options.ts';
import type { OptionTable, OptionValues } from './options.ts';
import type { Output, OutputStream } from './terminal.ts';

/** What a command gets to work with. */
export interface CommandContext<T extends OptionTable = OptionTable> {
  /** The command's own options by their names in camel case. */
  readonly options: OptionValues<T>;
  readonly args: readonly string[];
  readonly global: GlobalOptions;
  readonly output: Output;
  /** Aborted by SIGINT, SIGTERM and a reader of the output that went away. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  /** For prompts; messages go through `output`. */
  readonly stderr: OutputStream;
}

export interface Example {
  readonly command: string;
  readonly explains: string;
}

interface CommandDescription {
  readonly name: string;
  /** What follows `lifeboat`: `backup [OPTION]... PATH...`. */
  readonly usage: string;
  /** Paragraphs separated by an empty line; they are wrapped to the terminal. */
  readonly description: string;
  readonly examples?: readonly Example[];
  /** How many positional arguments make sense; none unless said. */
  readonly positionals?: { readonly min?: number; readonly max?: number };
  /** Exit statuses besides 0, 1 and those of opening a repository. */
  readonly exitStatuses?: Readonly<Record<number, string>>;
  /** False where no repository is opened: leaves those options and exit statuses out of the help. */
  readonly opensRepository?: boolean;
  /** Being stopped by a signal is how it ends, and no failure. */
  readonly runsUntilStopped?: boolean;
  /** A page about it under docs/. */
  readonly documentation?: string;
}

/** One verb, with the types of its options erased. */
export interface Command extends CommandDescription {
  readonly kind: 'command';
  readonly options: OptionTable;
  /** Resolves to the exit status; failures are thrown as LifeboatError. */
  run(context: CommandContext): Promise<number>;
}

/** A verb that only holds others, as `key` holds `key add`. */
export interface CommandFamily {
  readonly kind: 'family';
  readonly name: string;
  readonly description: string;
  readonly members: Readonly<Record<string, Listing>>;
}

/** One line of a list of commands; the command itself is loaded when it is needed. */
export interface Listing {
  readonly summary: string;
  load(): Promise<Command | CommandFamily>;
}

/** Declares a command; `run` sees its options with their types. */
export function defineCommand<const T extends OptionTable>(
  spec: CommandDescription & { readonly options: T; run(context: CommandContext<T>): Promise<number> },
): Command {
  // The parser makes exactly the values that the table declares, so the erased type holds the same facts.
  return { ...spec, kind: 'command' } as unknown as Command;
}

export function defineFamily(spec: Omit<CommandFamily, 'kind'>): CommandFamily {
  return { ...spec, kind: 'family' };
}
