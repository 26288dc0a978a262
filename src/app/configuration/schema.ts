import * as z from 'zod';
import { nearest } from '../../core/suggest.ts';
import { durationExpected, durationPattern, sizeExpected, sizePattern } from './units.ts';

/**
 * What a configuration file may say, for parsing it and, as JSON Schema, for editors. Only shapes are here;
 * texts become numbers and names are looked up in `understand.ts`. Loaded when there is a file to read.
 */

const expected = (what: string) => ({ error: `expected ${what}` });

/** Keys that later versions will know; a file that needs them is refused, not half obeyed. */
interface Later {
  readonly later?: readonly string[];
  readonly laterSays?: (key: string) => string;
}

/**
 * A mapping with these keys and no others. The message for unknown keys has one line for each key, in their order.
 */
function mapping<T extends z.ZodRawShape>(description: string, shape: T, more: Later = {}) {
  const known = Object.keys(shape);
  const later = more.later ?? [];
  const explain = (key: string): string => {
    if (later.includes(key)) return more.laterSays?.(key) ?? 'not supported by this version';
    const near = nearest(key, known);
    return `unknown key; ${near ? `did you mean ${near}?` : `known here: ${known.join(', ')}`}`;
  };
  return z
    .strictObject(shape, {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? (issue.keys as string[]).map(explain).join('\n')
          : 'expected a mapping (key: value)',
    })
    .meta({ description });
}

const text = (what: string) => z.string(expected(what)).min(1, expected(what));
const texts = (what: string) => z.array(text(what), expected(`a list: ${what}`));
const choice = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, expected(`${values.slice(0, -1).join(', ')} or ${values.at(-1)}`));
const truth = () => z.boolean(expected('true or false'));

const duration = () => {
  const wanted = expected(durationExpected);
  return z.string(wanted).regex(durationPattern, wanted);
};
const size = () => {
  const wanted = expected(sizeExpected);
  return z.string(wanted).regex(sizePattern, wanted);
};

export const secretExpected =
  'a reference to a secret, never the secret itself: env:NAME, file:PATH or command:LINE';
const secret = () => {
  const wanted = expected(secretExpected);
  return z.string(wanted).regex(/^(?:env:[A-Za-z_]\w*|file:.+|command:.*\S.*)$/, wanted);
};

const nameExpected = expected(
  'a name of a-z, 0-9 and -, at most 63 of them, beginning with a letter or digit',
);
const name = () => z.string(nameExpected).regex(/^[a-z0-9][a-z0-9-]{0,62}$/, nameExpected);
const named = <T extends z.ZodType>(description: string, each: T) =>
  z.record(name(), each, expected('a mapping of names')).meta({ description });
const namesOrOne = (description: string) => {
  const wanted = expected('a name or a list of names');
  return z.union([name(), z.array(name(), wanted).min(1, wanted)], wanted).meta({ description });
};

const wholeFrom = (min: number) => {
  const wanted = expected(`a whole number of at least ${min}`);
  return z.int(wanted).min(min, wanted);
};

const s3 = mapping(
  'A bucket on S3, or on any server that speaks its protocol. Credentials come from the environment or a profile.',
  {
    bucket: text('the name of a bucket').meta({ description: 'Name of the bucket.' }),
    prefix: text('the beginning of all keys').optional().meta({
      description: 'Where in the bucket the repository lies; without it at its root.',
    }),
    endpoint: z
      .string(expected('a URL'))
      .regex(/^https?:\/\/[^\s/@]+\/?$/, expected('a URL such as https://HOST:PORT, without credentials'))
      .optional()
      .meta({ description: 'The server; without it AWS.', examples: ['https://s3.example.org'] }),
    region: text('the name of a region').optional().meta({ description: 'Where the bucket is.' }),
    profile: text('the name of a profile').optional().meta({
      description:
        'Profile of ~/.aws with the credentials; without it the environment, then the default one.',
    }),
    'storage-class': text('a storage class')
      .optional()
      .meta({
        description: 'Class of new objects; in GLACIER and DEEP_ARCHIVE only packs of file content.',
        examples: ['STANDARD_IA'],
      }),
    sse: choice('AES256', 'aws:kms').optional().meta({
      description: 'Encryption by the server, besides that of the repository.',
    }),
    'sse-kms-key': text('the ID of a key')
      .optional()
      .meta({ description: 'Key for aws:kms; without it that of the account.' }),
    'sse-c-key': z
      .string(expected('env:NAME or file:PATH'))
      .regex(/^(?:env|file):.+/, expected('env:NAME or file:PATH, never the key itself'))
      .optional()
      .meta({ description: 'Key of 32 bytes (or their base64) that goes along with each request.' }),
    'bucket-lookup': choice('auto', 'dns', 'path').optional().meta({
      description:
        'Where the name of the bucket stands: in the name of the host, or in the path; auto: dns for AWS.',
    }),
    connections: wholeFrom(1).optional().meta({ description: 'Requests at once; 5 without it.' }),
    'requester-pays': truth()
      .optional()
      .meta({ description: 'The account of the credentials pays for the requests.' }),
  },
);

const sftp = mapping(
  'A folder of an SSH server. Where it is and how to log in there may also stand in ~/.ssh/config.',
  {
    host: text('the name of a host').meta({ description: 'Name or address, or a Host of ~/.ssh/config.' }),
    port: z
      .int(expected('a port'))
      .min(1, expected('a port'))
      .max(65_535, expected('a port'))
      .optional()
      .meta({ description: 'Port of the server; 22 without it.' }),
    user: text('a user').optional().meta({ description: 'User to log in as.' }),
    path: text('the path of a folder').meta({
      description: 'Folder of the repository; a relative path begins where a login of the user begins.',
    }),
    key: text('the path of a key')
      .optional()
      .meta({ description: 'Private key in place of those of ~/.ssh and of the agent.' }),
    'key-passphrase': secret().optional().meta({ description: 'Passphrase of the key.' }),
    'known-hosts': text('the path of a file')
      .optional()
      .meta({ description: 'Known hosts in place of those of the user and of the system.' }),
    config: text('the path of a file')
      .optional()
      .meta({ description: 'ssh_config to read in place of ~/.ssh/config and that of the system.' }),
    connections: wholeFrom(1).optional().meta({ description: 'Requests at once; 5 without it.' }),
  },
);

const rest = mapping('A server of the REST protocol of restic, such as `lifeboat serve`.', {
  url: z
    .string(expected('a URL'))
    .regex(
      /^https?:\/\/[^\s/@]+(?:\/[^\s]*)?$/,
      expected('a URL such as https://HOST:8000/PATH/, without credentials'),
    )
    .meta({ description: 'Where the repository is.', examples: ['https://backup.example.org:8000/app/'] }),
  user: text('a user').optional().meta({ description: 'User to log in as.' }),
  password: secret().optional().meta({ description: 'The password of the user.' }),
  connections: wholeFrom(1).optional().meta({ description: 'Requests at once; 5 without it.' }),
});

const repository = mapping(
  'Where backups rest: a path, s3, sftp or rest.',
  {
    path: text('the path of a folder')
      .optional()
      .meta({
        description:
          'Folder of the repository, or a location with a scheme; a relative path begins at the configuration file.',
        examples: ['/var/lib/lifeboat/repo', 's3:https://s3.example.org/bucket/prefix'],
      }),
    s3: s3.optional(),
    sftp: sftp.optional(),
    rest: rest.optional(),
    'append-only': truth().optional().meta({
      description: 'Refuse to delete and to replace anything but locks, here, whatever the storage allows.',
    }),
    options: z
      .record(
        z.string().regex(/^[a-z0-9]+\.[a-z0-9-]+$/, expected('a name such as s3.region')),
        z.union([z.string(), z.number(), z.boolean()], expected('a text, a number, true or false')),
        expected('a mapping of options'),
      )
      .default({})
      .meta({ description: 'Options of the storage, as -o KEY=VALUE gives them.' }),
    password: secret().meta({
      description: 'Where its password comes from: env:NAME, file:PATH or command:LINE.',
      examples: ['file:/etc/lifeboat/repo.key'],
    }),
  },
  {
    later: ['azure', 'gs', 'b2', 'swift', 'rclone', 'immutability'],
    laterSays: (key) =>
      key === 'immutability'
        ? 'not supported by this version'
        : `repositories at ${key}: locations are not supported by this version`,
  },
);

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
export type RepositoryShape = z.infer<typeof repository>;
export type HookShape = z.infer<typeof hook>;

/** For editors (draft 2020-12), of what a person writes: defaults may be left out. */
export function configurationJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { io: 'input' });
  return { $schema, title: 'Lifeboat configuration', ...rest };
}
