import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { nearest } from '../../core/suggest.ts';
import type {
  Configuration,
  FilesSource,
  Hook,
  JournalConfiguration,
  PostgresSource,
  Protection,
  RepositoryConfiguration,
  SecretReference,
  SourceConfiguration,
} from '../../model/configuration.ts';
import type { Finding, KeyPath } from './problems.ts';
import type { FileShape, HookShape, PostgresShape } from './schema.ts';
import type { RepositoryShape } from './schema-repository.ts';
import { isSecretReference } from './secret.ts';
import { understandRepository } from './understand-repository.ts';
import { durationMs, sizeBytes } from './units.ts';

/** The meaning of a file whose shape is right: units, paths, names that must exist, keys that exclude each other. */

export interface Understood {
  readonly configuration: Configuration;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export function understand(
  file: FileShape,
  { path, home }: { readonly path: string; readonly home: string },
): Understood {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const folder = dirname(path);
  const absolute = (given: string): string =>
    given === '~' || given.startsWith('~/') ? join(home, given.slice(1)) : resolve(folder, given);
  const reference = (given: string): SecretReference =>
    (given.startsWith('file:') ? `file:${absolute(given.slice('file:'.length))}` : given) as SecretReference;

  function repositoryOf(name: string, given: RepositoryShape): RepositoryConfiguration {
    const understood = understandRepository(given, ['repositories', name], { absolute, reference });
    problems.push(...understood.problems);
    return understood.repository;
  }

  function sourceOf(name: string, given: FileShape['sources'][string]): SourceConfiguration {
    const at = ['sources', name];
    if (given.type === 'files') {
      return {
        type: 'files',
        name,
        paths: given.paths.map(absolute),
        exclude: given.exclude,
      } satisfies FilesSource;
    }
    problems.push(...contradictions(given, at));
    if (/^(?:latest|[0-9a-f]{8,})$/.test(name))
      problems.push({
        path: at,
        at: 'key',
        message: `\`restore ${name}\` means a snapshot; choose another name`,
      });
    if (given.url !== undefined && !isSecretReference(given.url) && holdsPassword(given.url)) {
      warnings.push({
        path: [...at, 'url'],
        message: 'the password stands in the file; say where it is with env:NAME, file:PATH or command:LINE',
      });
    }
    return postgresOf(name, given);
  }

  function postgresOf(name: string, given: PostgresShape): PostgresSource {
    const { url } = given;
    const optional = (folderPath: string | undefined): string | null =>
      folderPath === undefined ? null : absolute(folderPath);
    return {
      type: 'postgres',
      name,
      url: url === undefined ? null : isSecretReference(url) ? reference(url) : url,
      password: given.password === undefined ? null : reference(given.password),
      method: given.method,
      way: given.way,
      dataDirectory: optional(given['data-directory']),
      binDirectory: optional(given['bin-directory']),
      backupType: given['backup-type'],
      databases: Array.isArray(given.databases) ? given.databases : [],
      allDatabases: given.databases === 'all',
      includeSchemas: given['include-schemas'],
      excludeSchemas: given['exclude-schemas'],
      includeTables: given['include-tables'],
      excludeTables: given['exclude-tables'],
      schemaOnly: given['schema-only'],
      jobs: given.jobs,
      scratch: optional(given.scratch),
      journal: journalOf(name, given.journal),
      hooks: {
        beforeBackup: hooksOf(given.hooks?.['before-backup']),
        afterBackup: hooksOf(given.hooks?.['after-backup']),
        beforeRestore: hooksOf(given.hooks?.['before-restore']),
        afterRestore: hooksOf(given.hooks?.['after-restore']),
      },
    };
  }

  const repositories = mapValues(file.repositories, repositoryOf);
  const sources = mapValues(file.sources, sourceOf);
  const names = { sources: Object.keys(sources), repositories: Object.keys(repositories) };
  const protect = protectionOf(file.protect, names, problems);
  if (names.sources.length > 0 && names.repositories.length === 0) {
    problems.push({
      path: ['sources'],
      at: 'key',
      message: 'there are sources, but no repository to keep them',
    });
  } else if (problems.length === 0) {
    for (const name of names.sources) {
      if (protect.some(({ sources: kept }) => kept.includes(name))) continue;
      warnings.push({ path: ['sources', name], at: 'key', message: 'no entry of protect names this source' });
    }
  }
  return { configuration: { version: 1, path, repositories, sources, protect }, problems, warnings };
}

function mapValues<T, U>(
  map: Readonly<Record<string, T>>,
  each: (name: string, value: T) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, each(name, value)]));
}

/** Keys that mean nothing for the method would be ignored silently, so they are refused. */
function contradictions(given: PostgresShape, at: KeyPath): Finding[] {
  const found: Finding[] = [];
  const refuse = (key: string, message: string): void => {
    found.push({ path: [...at, key], at: 'key', message });
  };
  const only = (method: 'logical' | 'physical', used: Readonly<Record<string, boolean>>): void => {
    if (given.method === method) return;
    for (const [key, isUsed] of Object.entries(used)) {
      if (isUsed) refuse(key, `${key} is only for method: ${method}, and the method is ${given.method}`);
    }
  };
  only('logical', {
    databases: given.databases !== undefined,
    'include-schemas': given['include-schemas'].length > 0,
    'exclude-schemas': given['exclude-schemas'].length > 0,
    'include-tables': given['include-tables'].length > 0,
    'exclude-tables': given['exclude-tables'].length > 0,
    'schema-only': given['schema-only'],
    jobs: given.jobs > 1,
  });
  only('physical', {
    journal: given.journal !== undefined,
    way: given.way !== 'auto',
    'data-directory': given['data-directory'] !== undefined,
    'backup-type': given['backup-type'] !== 'incremental',
  });
  if (given['data-directory'] !== undefined && given.way === 'remote')
    refuse('data-directory', 'data-directory is only for way: local or auto, and the way is remote');
  for (const [when, hooks] of Object.entries(given.hooks ?? {})) {
    for (const [n, { command, http }] of hooks.entries()) {
      if ((command === undefined) === (http === undefined))
        found.push({ path: [...at, 'hooks', when, n], message: 'expected either command or http' });
    }
  }
  for (const key of ['max-lag', 'slice-size', 'proof-timeout', 'slot-alarm'] as const) {
    const text = given.journal?.[key];
    if (text !== undefined && /^[0.]+\D/.test(text))
      found.push({ path: [...at, 'journal', key], message: 'expected more than zero' });
  }
  return found;
}

function hooksOf(given: readonly HookShape[] = []): Hook[] {
  return given.map(({ command, http, timeout }) => ({
    command: command ?? null,
    http: http ?? null,
    timeoutMs: durationMs(timeout),
  }));
}

function journalOf(name: string, given: PostgresShape['journal']): JournalConfiguration | null {
  if (!given) return null;
  return {
    way: given.way,
    maxLagMs: durationMs(given['max-lag']),
    sliceBytesMax: sizeBytes(given['slice-size']),
    slot: given.slot ?? defaultSlot(name),
    slotBytesMax: sizeBytes(given['slot-alarm']),
    proofTimeoutMs: durationMs(given['proof-timeout']),
  };
}

/** PostgreSQL's limit of a name (NAMEDATALEN - 1). */
const slotCharactersMax = 63;

/** `lifeboat_app_db` for app-db; names too long for a slot end with a digest, so that they stay different. */
export function defaultSlot(name: string): string {
  const slot = `lifeboat_${name.replaceAll('-', '_')}`;
  if (slot.length <= slotCharactersMax) return slot;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${slot.slice(0, slotCharactersMax - digest.length - 1)}_${digest}`;
}

function protectionOf(
  given: FileShape['protect'],
  names: { readonly sources: readonly string[]; readonly repositories: readonly string[] },
  problems: Finding[],
): Protection[] {
  if (given === undefined) {
    const { sources, repositories } = names;
    return sources.length > 0 && repositories.length > 0 ? [{ sources, to: repositories, copies: [] }] : [];
  }
  return given.map((entry, n): Protection => {
    const known = (
      key: 'sources' | 'to' | 'copies',
      kind: 'source' | 'repository',
      all: readonly string[],
    ): string[] => {
      const list = typeof entry[key] === 'string' ? [entry[key]] : (entry[key] ?? []);
      for (const [m, name] of list.entries()) {
        if (all.includes(name)) continue;
        const near = nearest(name, all);
        const help = near ? `did you mean ${near}?` : `there are ${all.join(', ') || 'none'}`;
        problems.push({
          path: ['protect', n, key, ...(typeof entry[key] === 'string' ? [] : [m])],
          message: `no ${kind} is named ${name}; ${help}`,
        });
      }
      return list;
    };
    const to = known('to', 'repository', names.repositories);
    const copies = known('copies', 'repository', names.repositories);
    for (const name of copies.filter((each) => to.includes(each)))
      problems.push({
        path: ['protect', n, 'copies'],
        message: `${name} stands in \`to\`, where backups go: it cannot be filled by copying as well`,
      });
    return { sources: known('sources', 'source', names.sources), to, copies };
  });
}

/** A URI or keyword string of libpq with a password in it. */
export function holdsPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#@]*:[^/?#@]+@/i.test(url) || /(?:^|[\s?&])password\s*=\s*[^\s&]/i.test(url);
}
