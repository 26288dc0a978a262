import * as z from 'zod';
import { tierKeeps } from '../../model/configuration.ts';
import { storageClassNames } from '../../model/storage-class.ts';
import { tierSpanExpected, tierSpanPattern } from '../../policy/tiers.ts';
import { azure, gs } from './schema-clouds.ts';
import { choice, duration, expected, mapping, secret, text, truth, wholeFrom } from './schema-parts.ts';

/** What a configuration file may say of a repository. */

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

const immutability = mapping('Object Lock: nobody can delete what was stored before its time.', {
  mode: choice('governance', 'compliance').meta({
    description: 'governance: can be lifted by who has the right to; compliance: by nobody.',
  }),
  for: duration().meta({
    description: 'How long at least; extended while a snapshot needs it.',
    examples: ['30d'],
  }),
});

const tier = mapping('Snapshots of a kind, how long they are kept, and where what only they need rests.', {
  keep: choice(...tierKeeps).meta({
    description: 'Which snapshots: all, or the newest of each hour, day, week, month or year.',
  }),
  for: z
    .string(expected(tierSpanExpected))
    .regex(tierSpanPattern, expected(tierSpanExpected))
    .meta({ description: 'How long, counted back from the newest snapshot.', examples: ['30d', '7y'] }),
  class: choice(...storageClassNames).meta({
    description: 'Storage class of packs that no snapshot of a hotter tier needs.',
    examples: ['STANDARD_IA'],
  }),
});

const wholeDays = () => {
  const wanted = expected('a whole number of days, such as 30d');
  return z.string(wanted).regex(/^[1-9]\d{0,4}d$/, wanted);
};

const lifecycle = mapping('What the bucket tidies up by itself, see `lifeboat lifecycle`.', {
  'keep-noncurrent': wholeDays().optional().meta({
    description:
      'How long versions stay that were replaced or deleted; 30d without it, and never less than immutability.',
  }),
  'abort-uploads': wholeDays().optional().meta({
    description: 'When uploads that were begun and not finished are given up; 7d without it.',
  }),
});

export const repository = mapping(
  'Where backups rest: a path, s3, sftp, rest, azure or gs.',
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
    azure: azure.optional(),
    gs: gs.optional(),
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
    site: text('the name of a place')
      .optional()
      .meta({
        description:
          'What one disaster takes as a whole: a building, a region, an account. Without it as the location tells.',
        examples: ['office', 'aws-eu-west-1'],
      }),
    removable: truth().optional().meta({
      description: 'A medium that is taken away: while it is absent its copies are old, not lost.',
    }),
    immutability: immutability.optional(),
    tiers: z.array(tier, expected('a list of tiers')).optional().meta({
      description:
        'Tiers from the hottest to the coldest, for `lifeboat tier` and `lifecycle`; also the retention of `forget`.',
    }),
    lifecycle: lifecycle.optional(),
    password: secret().meta({
      description: 'Where its password comes from: env:NAME, file:PATH or command:LINE.',
      examples: ['file:/etc/lifeboat/repo.key'],
    }),
  },
  {
    later: ['b2', 'swift', 'rclone'],
    laterSays: (key) => `repositories at ${key}: locations are not supported by this version`,
  },
);

export type RepositoryShape = z.infer<typeof repository>;
