import { AzureCliCredential, DefaultAzureCredential } from '@azure/identity';

/** Credentials that the SDK finds itself: only loaded where neither a key nor a signature is given. */
export const identity = { AzureCliCredential, DefaultAzureCredential };
