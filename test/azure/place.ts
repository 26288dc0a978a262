import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { azureStorage } from '../../src/storage/azure/azure.ts';
import { parseAzureLocation } from '../../src/storage/azure/location.ts';
import { type AzureSettings, azureDefaults } from '../../src/storage/azure/settings.ts';
import type { Storage } from '../../src/storage/storage.ts';
import type { Azurite } from './azurite.ts';

type Server = Pick<Azurite, 'account' | 'key' | 'endpoint'>;

/** A storage without any layer around it. `path` is `container:/prefix`. */
export function connectTo(
  { account, key, endpoint }: Server,
  path: string,
  more: Partial<AzureSettings> = {},
): Storage {
  const location = `azure:${path}`;
  return azureStorage({
    ...azureDefaults,
    ...parseAzureLocation(location),
    location,
    endpoint,
    credentials: { kind: 'key', account, key: async () => key },
    userAgent: 'lifeboat/test',
    ...more,
  });
}

/** What tests do that no storage does. */
export function rawContainer({ account, key, endpoint }: Server, container: string): ContainerClient {
  return new ContainerClient(`${endpoint}/${container}`, new StorageSharedKeyCredential(account, key));
}

/** What a process leaves behind that was killed in the middle of a save in blocks. */
export async function unfinishedUpload(server: Server, container: string, blob: string): Promise<void> {
  await rawContainer(server, container)
    .getBlockBlobClient(blob)
    .stageBlock(Buffer.from('block-0').toString('base64'), Buffer.alloc(100_000), 100_000);
}
