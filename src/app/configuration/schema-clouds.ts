import * as z from 'zod';
import { choice, expected, mapping, secret, text, wholeFrom } from './schema-parts.ts';

/** What a configuration file may say of storages of Azure and Google. */

const endpoint = (description: string) =>
  z
    .string(expected('a URL'))
    .regex(/^https?:\/\/[^\s/@?#]+(?:\/[^\s@?#]*)?$/, expected('a URL without credentials'))
    .optional()
    .meta({ description });

const prefix = text('the beginning of all keys').optional().meta({
  description: 'Where in it the repository lies; without it at its root.',
});

const connections = wholeFrom(1).optional().meta({ description: 'Requests at once; 5 without it.' });

export const azure = mapping(
  'A container of Azure Blob Storage. Credentials come from the environment where they are not referred to here.',
  {
    account: text('the name of a storage account').meta({ description: 'Name of the storage account.' }),
    container: text('the name of a container').meta({ description: 'Name of the container.' }),
    prefix,
    'account-key': secret().optional().meta({ description: 'Key of the account.' }),
    'account-sas': secret().optional().meta({
      description: 'Shared access signature in place of a key.',
    }),
    'access-tier': choice('Hot', 'Cool', 'Cold', 'Archive').optional().meta({
      description: 'Tier of new blobs; in Archive only packs of file content.',
    }),
    endpoint: endpoint('The server; without it https://ACCOUNT.blob.core.windows.net.'),
    connections,
  },
);

export const gs = mapping(
  'A bucket of Google Cloud Storage. Credentials come from a file or the environment.',
  {
    bucket: text('the name of a bucket').meta({ description: 'Name of the bucket.' }),
    prefix,
    project: text('the ID of a project').optional().meta({
      description: 'Project in which `init` makes a bucket that is not there.',
    }),
    region: text('the name of a region').optional().meta({
      description: 'Where `init` makes it; us without it.',
    }),
    credentials: text('the path of a file').optional().meta({
      description: 'Key file of a service account; without it the usual places.',
    }),
    'storage-class': choice('STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE').optional().meta({
      description: 'Class of new objects; in COLDLINE and ARCHIVE only packs of file content.',
    }),
    endpoint: endpoint('The server; without it https://storage.googleapis.com.'),
    connections,
  },
);
