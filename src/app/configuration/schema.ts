import * as z from 'zod';
import {
  choice,
  duration,
  expected,
  mapping,
  named,
  namesOrOne,
  secret,
  size,
  text,
  texts,
  truth,
} from './schema-parts.ts';
import { repository } from './schema-repository.ts';

/**
 * What a configuration file may say, for parsing it and, as JSON Schema, for editors. Only shapes are here;
 * texts become numbers and names are looked up in `understand.ts`. Loaded when there is a file to read.
 */

const journal = mapping(
  'Ships the write-ahead log continuously, so that any point in time can be recovered.',
  {
    way: choice('receive', 'push')
      .default('receive')
      .meta({ description: 'receive: by the replication protocol; push: by archive_command.' }),
    'max-lag': duration()
      .default('5s')
      .meta({ description: 'A slice is shipped when it is this old: the data you may lose.' }),
    'slice-size': size().default('16MiB').meta({ description: 'A slice is shipped when it is this large.' }),
    slot: z
      .string(expected('the name of a replication slot'))
      .regex(/^[a-z0-9_]{1,63}$/, expected('the name of a replication slot: a-z, 0-9 and _, at most 63'))
      .optional()
      .meta({ description: 'Physical replication slot; by default lifeboat_ and the name of the source.' }),
    'slot-alarm': size()
      .default('10GiB')
      .meta({ description: 'Alarm when the slot holds back more of the log than this.' }),
    'proof-timeout': duration()
      .default('60s')
      .meta({ description: 'How long a backup waits for a forced segment to arrive in the repository.' }),
  },
);

const hook = mapping('A command, or a check by HTTP; one of the two.', {
  command: text('a command line').optional().meta({ description: 'Run by sh -c; must end with status 0.' }),
  http: z
    .string(expected('a URL'))
    .regex(/^https?:\/\/\S+$/, expected('a URL with http:// or https://'))
    .optional()
    .meta({ description: 'GET must answer with a status below 400.' }),
  timeout: duration().default('60s').meta({ description: 'The hook fails when it takes longer.' }),
});

const hooksAt = (when: string) =>
  z
    .array(hook, expected('a list of hooks'))
    .default([])
    .meta({ description: `Run ${when}, in this order.` });

const hooks = mapping('What is run around backups and restores.', {
  'before-backup': hooksAt('before a backup; a failure ends it'),
  'after-backup': hooksAt('after a backup, also after one that failed'),
  'before-restore': hooksAt('before a restore; a failure ends it'),
  'after-restore': hooksAt('after a restore'),
});

const patterns = (what: string, description: string) => texts(what).default([]).meta({ description });

const databasesExpected = expected('a list of databases, or all');

const postgres = mapping('A PostgreSQL server.', {
  type: z.literal('postgres'),
  url: text('a connection string of libpq, or a reference such as env:DATABASE_URL')
    .optional()
    .meta({
      description:
        'Connection URI or keywords of libpq, best as env:NAME or file:PATH; without it PG… variables and ~/.pgpass.',
      examples: ['env:DATABASE_URL'],
    }),
  password: secret().optional().meta({ description: 'The password, where it is not in the URL.' }),
  method: choice('logical', 'physical').default('logical').meta({
    description:
      'logical: dumps, needs only a connection; physical: the data directory, the base of recovery to any point.',
  }),
  way: choice('auto', 'local', 'remote').default('auto').meta({
    description:
      'Physical: local reads the data directory, remote asks the server for it; auto: local where it is readable here.',
  }),
  'data-directory': text('a path').optional().meta({
    description: 'Physical: the data directory as this machine sees it, where the server says another.',
  }),
  'bin-directory': text('a path')
    .optional()
    .meta({ description: 'Folder of pg_dump, pg_ctl and so on; without it they are found by version.' }),
  'backup-type': choice('full', 'differential', 'incremental')
    .default('incremental')
    .meta({ description: 'Physical: the type of a backup for which none is asked for.' }),
  databases: z
    .union(
      [
        z.literal('all'),
        z.array(text('the name of a database'), databasesExpected).min(1, databasesExpected),
      ],
      databasesExpected,
    )
    .optional()
    .meta({ description: 'Logical: databases to dump, or all; without it the one of the URL.' }),
  'include-schemas': patterns('patterns of pg_dump', 'Logical: only these schemas.'),
  'exclude-schemas': patterns('patterns of pg_dump', 'Logical: all but these schemas.'),
  'include-tables': patterns('patterns of pg_dump', 'Logical: only these tables.'),
  'exclude-tables': patterns('patterns of pg_dump', 'Logical: all but these tables.'),
  'schema-only': truth().default(false).meta({ description: 'Logical: definitions without rows.' }),
  jobs: z
    .int(expected('a whole number from 1 to 64'))
    .min(1, expected('a whole number from 1 to 64'))
    .max(64, expected('a whole number from 1 to 64'))
    .default(1)
    .meta({ description: 'Logical: tables dumped at the same time; above 1 through a scratch folder.' }),
  scratch: text('a path')
    .optional()
    .meta({ description: 'Folder for temporary files; without it the one of the system.' }),
  journal: journal.optional(),
  hooks: hooks.optional(),
});

const files = mapping('Files and folders.', {
  type: z.literal('files'),
  paths: texts('paths')
    .min(1, expected('at least one path'))
    .meta({ description: 'What is backed up; relative paths begin at the configuration file.' }),
  exclude: patterns('patterns', 'Left out, by the patterns of `backup --exclude`.'),
});

const laterSources = ['mysql', 'mongodb', 'redis', 'sqlite', 'docker', 's3', 'git', 'host'];

const source = z
  .discriminatedUnion('type', [postgres, files], {
    error: (issue) => {
      const { type } = (issue.input ?? {}) as { type?: unknown };
      return typeof type === 'string' && laterSources.includes(type)
        ? `sources of type ${type} are not supported by this version`
        : 'expected type: postgres or type: files';
    },
  })
  .meta({ description: 'What is backed up.' });

const protection = mapping(
  'Sources and the repositories that keep them.',
  {
    sources: namesOrOne('Names of sources.'),
    to: namesOrOne('Names of repositories.'),
    copies: namesOrOne('Names of repositories that `lifeboat copy` fills from the first of `to`.').optional(),
  },
  { later: ['policy', 'together'] },
);

/** The whole file. */
export const fileSchema = mapping(
  'Configuration of Lifeboat.',
  {
    version: z.literal(1, expected('1')).meta({ description: 'Version of this format.' }),
    repositories: named('Repositories by name.', repository).default({}),
    sources: named('Sources by name.', source).default({}),
    protect: z
      .array(protection, expected('a list'))
      .optional()
      .meta({ description: 'Which sources go to which repositories; without it all to all.' }),
  },
  { later: ['policies', 'notify', 'plans'] },
);

export type FileShape = z.infer<typeof fileSchema>;
export type PostgresShape = z.infer<typeof postgres>;
export type HookShape = z.infer<typeof hook>;

/** For editors (draft 2020-12), of what a person writes: defaults may be left out. */
export function configurationJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { io: 'input' });
  return { $schema, title: 'Lifeboat configuration', ...rest };
}
