import { parseHumanTime } from '../model/time.ts';
import { parseTagFile } from '../policy/exclude-if-present.ts';
import { parseGroupBy } from '../policy/grouping.ts';
import { parseSize } from '../policy/size.ts';
import { parseTagList } from '../policy/tags.ts';
import type { CommandContext } from './command.ts';
import { excludeOptions } from './exclude-options.ts';
import { parseChoice, parseWholeNumber } from './option-values.ts';
import { flag, type OptionTable, text, texts, value, valueOr, values } from './options.ts';

export const defaultGrouping = parseGroupBy('host,paths');

export const backupOptions = {
  ...excludeOptions,
  'exclude-caches': flag({ help: 'leave out what lies in directories with a CACHEDIR.TAG' }),
  'exclude-if-present': values({
    placeholder: 'NAME[:HEADER]',
    help: 'leave out what lies in directories with a file of this name, beginning with HEADER if given (repeatable)',
    parse: parseTagFile,
  }),
  'exclude-larger-than': value({
    placeholder: 'SIZE',
    help: 'leave out files larger than this, such as 10M or 2G',
    parse: parseSize,
  }),
  'one-file-system': flag({ short: 'x', help: 'do not cross into other file systems' }),
  'files-from': texts({
    placeholder: 'FILE',
    help: 'read patterns of files to back up from a file, one a line (repeatable; - for stdin)',
  }),
  'files-from-verbatim': texts({
    placeholder: 'FILE',
    help: 'read names of files to back up, one a line, taken as they are (repeatable)',
  }),
  'files-from-raw': texts({
    placeholder: 'FILE',
    help: 'read names of files to back up, each ended by a zero byte (repeatable)',
  }),
  stdin: flag({ help: 'back up what comes on standard input, as one file' }),
  'stdin-from-command': flag({
    help: 'run the arguments as a command and back up its output; if it fails, no snapshot is made',
  }),
  'stdin-filename': valueOr({
    placeholder: 'NAME',
    help: 'name of that file in the snapshot',
    fallback: 'stdin',
    parse: String,
  }),
  tag: values({
    placeholder: 'TAG[,TAG]...',
    help: 'give the snapshot these tags (repeatable)',
    parse: parseTagList,
  }),
  host: valueOr({
    short: 'H',
    placeholder: 'HOST',
    help: 'host name to record instead of this machine’s',
    env: ['LIFEBOAT_HOST', 'RESTIC_HOST'],
    fallback: '',
    parse: String,
  }),
  time: value({
    placeholder: 'TIME',
    help: 'time to record, such as "2026-11-20 14:03:11"',
    parse(given) {
      const instant = parseHumanTime(given);
      if (!instant) throw new Error('expected a time such as "2026-11-20 14:03:11"');
      return instant.seconds * 1000 + instant.nanoseconds / 1e6;
    },
  }),
  parent: text({
    placeholder: 'SNAPSHOT',
    help: 'compare with this snapshot instead of the latest of the same group',
  }),
  'group-by': valueOr({
    short: 'g',
    placeholder: 'LIST',
    help: 'what snapshots of a group share: host, paths, tags',
    fallback: defaultGrouping,
    parse: parseGroupBy,
  }),
  force: flag({ short: 'f', help: 'read every file again, changed or not' }),
  'ignore-inode': flag({
    help: 'a new inode or change time does not make a file changed',
    env: ['LIFEBOAT_IGNORE_INODE', 'RESTIC_IGNORE_INODE'],
  }),
  'ignore-ctime': flag({
    help: 'a new change time does not make a file changed',
    env: ['LIFEBOAT_IGNORE_CTIME', 'RESTIC_IGNORE_CTIME'],
  }),
  'with-atime': flag({ help: 'record access times' }),
  'skip-if-unchanged': flag({ help: 'make no snapshot where it would equal its parent' }),
  'no-scan': flag({ help: 'do not count files beforehand: no percentage, no time left' }),
  'read-concurrency': value({
    placeholder: 'N',
    help: 'worker threads that read and store (default: one a core, at most 8)',
    env: ['LIFEBOAT_READ_CONCURRENCY', 'RESTIC_READ_CONCURRENCY'],
    parse: parseWholeNumber(1, 64),
  }),
  source: texts({
    placeholder: 'NAME',
    help: 'back up this source of the configuration instead of PATHs (repeatable)',
  }),
  all: flag({ help: 'back up every source of the configuration' }),
  type: value({
    placeholder: 'TYPE',
    help: 'with --source, of a physical backup: full, differential or incremental',
    parse: parseChoice('full', 'differential', 'incremental'),
  }),
  repository: texts({
    placeholder: 'NAME',
    help: 'with --source: only to this repository of the configuration (repeatable)',
  }),
  'dry-run': flag({ short: 'n', help: 'write nothing, say what would be done' }),
} satisfies OptionTable;

export type BackupContext = CommandContext<typeof backupOptions>;
