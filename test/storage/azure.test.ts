import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { type ErrorCode, hasCode } from '../../src/core/errors.ts';
import type { AzureSettings } from '../../src/storage/azure/settings.ts';
import { createPacer } from '../../src/storage/pacer.ts';
import { azuriteMissing, startAzurite } from '../azure/azurite.ts';
import { connectTo, rawContainer, unfinishedUpload } from '../azure/place.ts';
import { startProxy } from '../s3/proxy.ts';
import { testStorage } from './contract.ts';

const server = azuriteMissing ? null : await startAzurite();
after(() => server?.stop());

if (server)
  testStorage('azure', async () => {
    const container = server.newContainer();
    return {
      connect: () => connectTo(server, `${container}:/some/prefix`),
      leaveUnfinished: (key) => unfinishedUpload(server, container, `some/prefix/${key}`),
      close: async () => {},
    };
  });
