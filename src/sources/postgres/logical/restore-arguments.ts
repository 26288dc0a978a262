/** Arguments of pg_restore. They hold no secrets. */

export interface RestoreArguments {
  readonly database: string;
  /** Above 1 only from a file or folder. */
  readonly jobs: number;
  readonly owner: boolean;
  readonly privileges: boolean;
  /** Stop at the first error, as what is restored is thrown away then. */
  readonly exitOnError: boolean;
  /** All or nothing; one job only. */
  readonly singleTransaction: boolean;
  /** Drop what is about to be restored. */
  readonly clean: boolean;
  /** File with the entries to restore; null: all. */
  readonly list: string | null;
  /** File or folder of the dump; null: standard input. */
  readonly archive: string | null;
}

/** A name alone would be read as a connection string where it looks like one. */
const connectionString = (database: string): string =>
  `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export function restoreArguments(given: RestoreArguments): string[] {
  return [
    '--no-password',
    `--dbname=${connectionString(given.database)}`,
    ...(given.jobs > 1 ? [`--jobs=${given.jobs}`] : []),
    ...(given.owner ? [] : ['--no-owner']),
    ...(given.privileges ? [] : ['--no-privileges']),
    ...(given.exitOnError ? ['--exit-on-error'] : []),
    ...(given.singleTransaction ? ['--single-transaction'] : []),
    ...(given.clean ? ['--clean', '--if-exists'] : []),
    ...(given.list === null ? [] : [`--use-list=${given.list}`]),
    ...(given.archive === null ? [] : [given.archive]),
  ];
}
