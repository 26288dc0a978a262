import { ContainerClient, newPipeline, StorageSharedKeyCredential } from '@azure/storage-blob';

/** What of the SDK is used: only that goes into the bundle, and is loaded when the first request is made. */
export const sdk = { ContainerClient, newPipeline, StorageSharedKeyCredential };
