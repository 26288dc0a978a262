import { parseChoice, parseWholeNumber } from './option-values.ts';
import { flag, type OptionTable, text, texts, value, valueOr } from './options.ts';

/** Options that only such a restore has. */
export const logicalRestoreOptions = {
  snapshot: text({ placeholder: 'ID', help: 'dumps: restore this snapshot, such as a safety backup' }),
  as: text({ placeholder: 'NAME', help: 'dumps: give the restored database this name' }),
  schema: texts({ placeholder: 'SCHEMA', help: 'dumps: only this schema (repeatable)' }),
  drop: flag({ help: 'dumps: with --table or --schema, drop the tables that are there first' }),
  jobs: value({
    short: 'j',
    placeholder: 'N',
    help: 'dumps: restore with so many connections; needs room in the scratch folder',
    parse: parseWholeNumber(1, 64),
  }),
  'no-owner': flag({ help: 'dumps: the restoring role owns everything' }),
  'no-privileges': flag({ help: 'dumps: leave grants out' }),
  globals: flag({ help: 'dumps: make roles and tablespaces that are missing first' }),
  'no-safety-backup': flag({ help: 'dumps: do not back up what is overwritten' }),
  'on-error': valueOr<'stop' | 'continue'>({
    placeholder: 'WHAT',
    help: 'dumps: stop at the first error and change nothing, or continue without what cannot be restored',
    fallback: 'stop',
    parse: parseChoice('stop', 'continue'),
  }),
  analyze: flag({ help: 'dumps: gather statistics for the planner at the end' }),
  url: text({
    placeholder: 'URL',
    help: 'dumps: restore to this server instead of the source’s; better as env:NAME, as arguments are seen by others',
  }),
} satisfies OptionTable;
