import { styleText } from 'node:util';
import type { Redactor } from './redact.ts';
import { createRedactor } from './redact.ts';
import type { StatusLines } from './status-lines.ts';
import { createStatusLines } from './status-lines.ts';

/** A stream as far as printing needs it. */
export interface OutputStream {
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** How much is said: 0 quiet, 1 as usual, 2 verbose, 3 very verbose. */
export type Verbosity = 0 | 1 | 2 | 3;

export interface OutputSettings {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly json?: boolean;
  readonly verbosity?: Verbosity;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Lines are collected up to this many characters before they are written. */
const pendingCharactersMax = 16_384;
/** Also for terminals that say they have no width at all. */
const defaultColumns = 80;
const readableColumnsMax = 100;

/**
 * Everything a command prints goes through here: results to stdout, warnings to stderr, status lines at the
 * bottom of a terminal. Secrets are taken out of warnings and status lines.
 */
export class Output {
  readonly json: boolean;
  readonly verbosity: Verbosity;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #redactor: Redactor;
  readonly #coloured: boolean;
  readonly #errorsColoured: boolean;
  readonly #statusLines: StatusLines | undefined;
  #pending: string[] = [];
  #pendingCharacters = 0;
  #flushing: NodeJS.Immediate | undefined;

  constructor(settings: OutputSettings) {
    const { stdout, stderr, env = {} } = settings;
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.json = settings.json ?? false;
    this.verbosity = settings.verbosity ?? 1;
    this.isTerminal = stdout.isTTY === true;
    this.#redactor = createRedactor(env);
    const colours = !env.NO_COLOR && env.TERM !== 'dumb';
    this.#coloured = colours && this.isTerminal && !this.json;
    this.#errorsColoured = colours && stderr.isTTY === true;
    this.#statusLines =
      this.isTerminal && env.TERM !== 'dumb' && this.verbosity > 0
        ? createStatusLines(
            (text) => void stdout.write(text),
            () => stdout.columns || defaultColumns,
          )
        : undefined;
  }

  /** Cells in a line of the terminal; 80 where there is none. */
  get columns(): number {
    return this.#stdout.columns || defaultColumns;
  }

  /** The width for text that is read, such as help. */
  get readableColumns(): number {
    return Math.min(this.columns, readableColumnsMax);
  }

  /** Whether status lines can be drawn over. */
  get canUpdateStatus(): boolean {
    return this.#statusLines !== undefined;
  }

  /** A line of the result: always printed. */
  line(text = ''): void {
    this.#pending.push(text, '\n');
    this.#pendingCharacters += text.length + 1;
    if (this.#pendingCharacters >= pendingCharactersMax || this.#statusLines !== undefined) {
      this.flush();
    } else {
      this.#flushing ??= setImmediate(() => this.flush());
    }
  }

  /** A message of interest to most: not with --quiet or --json. */
  info(text = ''): void {
    if (this.verbosity >= 1 && !this.json) this.line(text);
  }

  /** As `info`, and only where a person watches. */
  infoOnTerminal(text: string): void {
    if (this.isTerminal) this.info(text);
  }

  /** Printed with --verbose. */
  verbose(text: string): void {
    if (this.verbosity >= 2 && !this.json) this.line(text);
  }

  /** Printed with --verbose twice. */
  veryVerbose(text: string): void {
    if (this.verbosity >= 3 && !this.json) this.line(text);
  }

  /** One JSON value as one line on stdout. */
  jsonLine(value: unknown): void {
    this.line(JSON.stringify(value));
  }

  /** One JSON value as one line on stderr. */
  jsonError(value: unknown): void {
    this.warn(JSON.stringify(value));
  }

  /** A line on stderr. */
  warn(text: string): void {
    this.flush();
    const line = `${this.#redactor.redact(text)}\n`;
    this.#interrupt(() => void this.#stderr.write(line));
  }

  /**
   * The lines that tell what is going on now, at the bottom of a terminal; none clears them. Elsewhere they
   * are printed as they come, so ask `progressIntervalMs` first whether to send any.
   */
  status(lines: readonly string[]): void {
    this.flush();
    const clean = lines.map((line) => this.#redactor.redact(line));
    if (this.#statusLines !== undefined) this.#statusLines.show(clean);
    else for (const line of clean) this.line(line);
  }

  /** Raw bytes of the result, such as a file's content; resolves when stdout took them. */
  async write(chunk: Uint8Array): Promise<void> {
    this.flush();
    await new Promise<void>((resolve, reject) => {
      this.#stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** From now on this text never appears in warnings, errors and status lines. */
  hide(secret: string): void {
    this.#redactor.hide(secret);
  }

  /** Colours for stdout; the plain text where there are none. */
  style(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Colours for stderr. */
  errorStyle(style: Style, text: string): string {
    return this.#errorsColoured ? styleText(style, text, { validateStream: false }) : text;
  }

  /** Writes what is pending. */
  flush(): void {
    if (this.#flushing !== undefined) clearImmediate(this.#flushing);
    this.#flushing = undefined;
    if (this.#pending.length === 0) return;
    const text = this.#pending.join('');
    this.#pending = [];
    this.#pendingCharacters = 0;
    this.#interrupt(() => void this.#stdout.write(text));
  }

  /** Clears the status and resolves when both streams took everything. */
  async close(): Promise<void> {
    this.flush();
    this.#statusLines?.show([]);
    await Promise.all(
      [this.#stdout, this.#stderr].map(
        (stream) => new Promise<void>((done) => stream.write('', () => done())),
      ),
    );
  }

  #interrupt(print: () => void): void {
    if (this.#statusLines === undefined) print();
    else this.#statusLines.interrupt(print);
  }
}
