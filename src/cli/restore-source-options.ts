import { LifeboatError } from '../core/errors.ts';
import { parseWholeNumber } from './option-values.ts';
import { camelCase, flag, type OptionTable, text, texts, value } from './options.ts';
import { logicalRestoreOptions } from './restore-logical-options.ts';

/** Options of `restore` for sources of the configuration. */
export const restoreSourceOptions = {
  to: text({
    placeholder: 'POINT',
    help: 'of a database: latest, immediate, a time with its zone such as "2026-11-20 14:03:11+01", lsn:X/Y, xid:N or name:POINT (default: latest)',
  }),
  exclusive: flag({ help: 'of a database: end just before the point, not just after it' }),
  timeline: text({
    placeholder: 'N',
    help: 'of a database: follow this timeline; latest, or current for the one of the backup (default: latest)',
  }),
  tablespace: texts({
    placeholder: 'OLD=NEW',
    help: 'of a database: restore the tablespace at OLD into the folder NEW (repeatable)',
  }),
  'no-start': flag({ help: 'of a database: lay everything down and leave the start of the server to you' }),
  standby: flag({ help: 'of a database, with --no-start: as a standby, which you connect to its primary' }),
  'stop-server': flag({ help: 'of a database: stop the server that runs at the target' }),
  port: value({
    placeholder: 'PORT',
    help: 'of a database: the port of a copy (default: its own, or the next that is free)',
    parse: parseWholeNumber(1, 65535),
  }),
  amcheck: flag({ help: 'of a database: check tables and indexes with pg_amcheck afterwards' }),
  table: texts({
    placeholder: 'SCHEMA.TABLE',
    help: 'of a database: only this table (repeatable)',
  }),
  database: texts({
    placeholder: 'NAME',
    help: 'of a database: only this one, or the one that the tables are in (repeatable for dumps)',
  }),
  output: text({
    placeholder: 'FILE',
    help: 'with --table: write a dump for pg_restore to this file instead of loading it',
  }),
  yes: flag({ help: 'do not ask before anything is changed' }),
} satisfies OptionTable;

/** Names as given, with what each stands for. @throws LifeboatError `usage`. */
export function parseTablespaces(given: readonly string[]): Map<string, string> {
  const places = new Map<string, string>();
  for (const each of given) {
    const match = /^(\/.*)=(\/.*)$/.exec(each);
    if (!match)
      throw new LifeboatError('usage', `${JSON.stringify(each)} does not say which tablespace goes where`, {
        hint: 'give --tablespace OLD=NEW with two absolute paths',
      });
    places.set(match[1]!.replace(/(.)\/+$/, '$1'), match[2]!);
  }
  return places;
}

type Given = Readonly<Record<string, unknown>>;

const isGiven = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;

const dashed = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const fileOptions = [
  ...[
    'include',
    'iinclude',
    'includeFile',
    'iincludeFile',
    'exclude',
    'iexclude',
    'excludeFile',
    'iexcludeFile',
  ],
  ...['includeXattr', 'excludeXattr', 'delete', 'sparse', 'verify', 'ownershipByName', 'host', 'tag', 'path'],
];

/** @throws LifeboatError `usage` for options that say what to do with single files. */
export function refuseFileOptions(given: Given): void {
  const found = fileOptions.find((name) => isGiven(given[name]));
  if (found === undefined && (given.overwrite === undefined || given.overwrite === 'always')) return;
  throw new LifeboatError(
    'usage',
    `${dashed(found ?? 'overwrite')} makes no sense for a database, which is restored as a whole`,
    { hint: 'leave it out; single files can be restored from a snapshot by its ID' },
  );
}

/** Of `restoreSourceOptions`, those that dumps have no use for. */
export const physicalOptions = [
  ...[
    'target',
    'exclusive',
    'timeline',
    'tablespace',
    'no-start',
    'standby',
    'stop-server',
    'port',
    'amcheck',
    'output',
  ],
];

/** @param why a sentence that says why none of the options fits. @throws LifeboatError `usage`. */
export function refuseOptions(given: Given, names: readonly string[], why: string): void {
  const found = names.find((name) => isGiven(given[camelCase(name)]) && given[camelCase(name)] !== 'stop');
  if (found === undefined) return;
  throw new LifeboatError('usage', `--${found} makes no sense here: ${why}`, { hint: 'leave it out' });
}

/** @throws LifeboatError `usage` for options that only make sense for a source of the configuration. */
export function refuseSourceOptions(given: Given, name: string): void {
  const names = [...Object.keys(restoreSourceOptions), ...Object.keys(logicalRestoreOptions)];
  const needless = names.filter((each) => each !== 'yes');
  refuseOptions(given, needless, `${JSON.stringify(name)} is no source of the configuration`);
}
