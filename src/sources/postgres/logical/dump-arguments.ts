import type { DumpSelection } from './options.ts';

/** Arguments of pg_dump and pg_dumpall beside those of the connection. They hold no secrets. */

/** @param folder of the directory format; null: the custom format goes to standard output. */
export function dumpArguments(
  selection: DumpSelection,
  more: { readonly lockWaitMs: number; readonly jobs: number; readonly folder: string | null },
): string[] {
  const each = (option: string, patterns: readonly string[]): string[] =>
    patterns.map((pattern) => `${option}=${pattern}`);
  return [
    // Uncompressed, as blobs are compressed one by one: so a change costs what it changed.
    '--compress=0',
    '--no-password',
    `--lock-wait-timeout=${Math.max(1, Math.round(more.lockWaitMs))}`,
    ...(more.folder === null
      ? ['--format=custom']
      : ['--format=directory', `--jobs=${more.jobs}`, `--file=${more.folder}`, '--no-sync']),
    ...(selection.schemaOnly ? ['--schema-only'] : []),
    ...each('--schema', selection.includeSchemas),
    ...each('--exclude-schema', selection.excludeSchemas),
    ...each('--table', selection.includeTables),
    ...each('--exclude-table', selection.excludeTables),
    // A table or schema that is named but missing must not pass as backed up.
    ...(selection.includeSchemas.length + selection.includeTables.length > 0 ? ['--strict-names'] : []),
    // Left to itself pg_dump leaves out large objects as soon as a schema or table is chosen, and that is right.
  ];
}

/** @param passwords false where the role may not read them, as on managed servers. */
export function globalsArguments(passwords: boolean, lockWaitMs: number): string[] {
  return [
    '--globals-only',
    '--no-password',
    `--lock-wait-timeout=${Math.max(1, Math.round(lockWaitMs))}`,
    ...(passwords ? [] : ['--no-role-passwords']),
  ];
}
