import { stringify } from 'yaml';
import type {
  Configuration,
  Hook,
  JournalConfiguration,
  PostgresSource,
  RepositoryConfiguration,
  SourceConfiguration,
} from '../../model/configuration.ts';
import { formatTierSpan } from '../../policy/tiers.ts';
import { formatDurationMs, formatSize } from './units.ts';

/**
 * A configuration as a file would say it, with every default written out and secrets as references. Loaded
 * where it is printed: it brings the YAML library along.
 */

type View = { readonly [key: string]: unknown };

export function configurationView({ repositories, sources, protect }: Configuration): View {
  return {
    version: 1,
    repositories: mapValues(repositories, repositoryView),
    sources: mapValues(sources, sourceView),
    protect: protect.map(({ sources: kept, to, copies }) => ({
      sources: [...kept],
      to: [...to],
      ...(copies.length > 0 ? { copies: [...copies] } : {}),
    })),
  };
}

/** The same as YAML. */
export function configurationYaml(configuration: Configuration): string {
  return stringify(configurationView(configuration), { lineWidth: 0 });
}

function mapValues<T>(map: Readonly<Record<string, T>>, each: (value: T) => View): View {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, each(value)]));
}

function repositoryView({ location, options, password, ...more }: RepositoryConfiguration): View {
  const { site, removable, immutability, tiers, lifecycle } = more;
  const { 's3.retention': _, ...others } = options;
  // It says the same in another way.
  const shown = immutability ? others : options;
  return {
    path: location,
    ...(Object.keys(shown).length === 0 ? {} : { options: shown }),
    ...given('site', site),
    ...(removable ? { removable } : {}),
    ...given(
      'immutability',
      immutability && { mode: immutability.mode, for: formatDurationMs(immutability.forMs) },
    ),
    ...given(
      'tiers',
      nonEmpty(tiers)?.map((tier) => ({ keep: tier.keep, for: formatTierSpan(tier.for), class: tier.class })),
    ),
    ...(location.startsWith('s3:')
      ? {
          lifecycle: {
            'keep-noncurrent': `${lifecycle.keepNoncurrentDays}d`,
            'abort-uploads': `${lifecycle.abortUploadsDays}d`,
          },
        }
      : {}),
    password,
  };
}

function sourceView(source: SourceConfiguration): View {
  return source.type === 'files'
    ? { type: 'files', paths: source.paths, exclude: source.exclude }
    : postgresView(source);
}

function postgresView(source: PostgresSource): View {
  const { beforeBackup, afterBackup, beforeRestore, afterRestore } = source.hooks;
  const physical = {
    way: source.way,
    ...given('data-directory', source.dataDirectory),
    'backup-type': source.backupType,
    ...given('journal', source.journal && journalView(source.journal)),
  };
  const logical = {
    ...given('databases', source.allDatabases ? 'all' : nonEmpty(source.databases)),
    'include-schemas': source.includeSchemas,
    'exclude-schemas': source.excludeSchemas,
    'include-tables': source.includeTables,
    'exclude-tables': source.excludeTables,
    'schema-only': source.schemaOnly,
    jobs: source.jobs,
  };
  return {
    type: 'postgres',
    ...given('url', source.url && withoutPassword(source.url)),
    ...given('password', source.password),
    method: source.method,
    ...given('bin-directory', source.binDirectory),
    ...given('scratch', source.scratch),
    ...(source.method === 'physical' ? physical : logical),
    hooks: {
      'before-backup': beforeBackup.map(hookView),
      'after-backup': afterBackup.map(hookView),
      'before-restore': beforeRestore.map(hookView),
      'after-restore': afterRestore.map(hookView),
    },
  };
}

function journalView(journal: JournalConfiguration): View {
  return {
    way: journal.way,
    'max-lag': formatDurationMs(journal.maxLagMs),
    'slice-size': formatSize(journal.sliceBytesMax),
    slot: journal.slot,
    'slot-alarm': formatSize(journal.slotBytesMax),
    'proof-timeout': formatDurationMs(journal.proofTimeoutMs),
  };
}

function hookView({ command, http, timeoutMs }: Hook): View {
  return { ...given('command', command), ...given('http', http), timeout: formatDurationMs(timeoutMs) };
}

function given(key: string, value: unknown): View {
  return value === null || value === undefined ? {} : { [key]: value };
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length > 0 ? list : null;
}

/** A connection string that stands in the file itself, with what is secret in it left out. */
function withoutPassword(url: string): string {
  return url
    .replace(/^([a-z]+:\/\/[^/?#@:]*:)[^/?#@]+@/i, '$1***@')
    .replace(/((?:^|[\s?&])(?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&]+)/gi, '$1***');
}
