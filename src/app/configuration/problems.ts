/** What is wrong in a configuration file, and where. */

export interface Problem {
  /** From 1; of the key or value it is about. */
  readonly line: number;
  readonly column: number;
  /** `sources.app-db.journal.max-lag`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** Keys and list indexes from the top of the file. */
export type KeyPath = readonly (string | number)[];

export interface Finding {
  readonly path: KeyPath;
  /** Point at the key instead of its value. */
  readonly at?: 'key' | 'value';
  readonly message: string;
}

export function formatKeyPath(path: KeyPath): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part + 1}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
}

/** `FILE:LINE:COLUMN: path: message`, as editors and terminals make links of it. */
export function formatProblem(file: string, { line, column, path, message }: Problem): string {
  return `${file}:${line}:${column}: ${path ? `${path}: ` : ''}${message}`;
}
