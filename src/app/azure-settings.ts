import { LifeboatError } from '../core/errors.ts';
import { parseAzureLocation } from '../storage/azure/location.ts';
import {
  type AzureCredentials,
  type AzureSettings,
  type AzureTier,
  azureDefaults,
  azureTiers,
} from '../storage/azure/settings.ts';
import type { RetryOptions } from '../storage/layers/retry.ts';
import type { Pacers } from './s3-settings.ts';
import {
  optionsOf,
  type StorageAccess,
  type StorageOptionValues,
  truth,
  wholeFrom,
} from './storage-access.ts';
import { anyText, endpointUrl, givenTls, secretOption, triesOptionTable } from './storage-option-values.ts';

/** Options of repositories on Azure, as `-o azure.KEY=VALUE`; those that restic has are restic's. */
export const azureOptionTable = {
  connections: wholeFrom(1),
  'access-tier': accessTier,
  endpoint: endpointUrl,
  account: anyText,
  /** References. */
  'account-key': anyText,
  'account-sas': anyText,
  ...triesOptionTable,
} as const;

type Given = StorageOptionValues<typeof azureOptionTable>;

export interface AzureOpening {
  readonly settings: AzureSettings;
  readonly tries: RetryOptions;
}

/** @throws LifeboatError `usage`, `storage-credentials`. */
export function azureOpening(location: string, access: StorageAccess, pacers: Pacers): AzureOpening {
  const { env } = access;
  const given = optionsOf('azure', azureOptionTable, access);
  const account = given.account ?? env.AZURE_ACCOUNT_NAME ?? '';
  if (account === '')
    throw new LifeboatError('storage-credentials', `${location} names no account`, {
      hint: 'set AZURE_ACCOUNT_NAME to the name of the storage account',
    });
  const settings: AzureSettings = {
    ...azureDefaults,
    ...parseAzureLocation(location),
    location,
    endpoint: given.endpoint ?? `https://${account}.blob.${env.AZURE_ENDPOINT_SUFFIX || 'core.windows.net'}`,
    credentials: credentialsOf(account, given, access),
    connections: given.connections ?? azureDefaults.connections,
    tier: given['access-tier'] ?? null,
    ...givenTls(access),
    stuckMs: access.stuckMs,
    userAgent: access.userAgent,
    onRequest: access.onRequest ?? null,
    ...pacers,
  };
  return { settings, tries: { attemptsMax: given.retries, ceilingMs: given['retry-for'] } };
}

/** In any case, as restic takes them. */
function accessTier(text: string): AzureTier {
  const tier = azureTiers.find((name) => name.toLowerCase() === text.toLowerCase());
  if (tier) return tier;
  throw new Error(`expected one of ${azureTiers.join(', ')}`);
}

/** Options come before the variables, which are restic's; a key before a signature. */
function credentialsOf(account: string, given: Given, access: StorageAccess): AzureCredentials {
  const { 'account-key': keyOption, 'account-sas': sasOption } = given;
  const { AZURE_ACCOUNT_KEY: key, AZURE_ACCOUNT_SAS: sas, AZURE_FORCE_CLI_CREDENTIAL: cli = '' } = access.env;
  if (keyOption !== undefined)
    return { kind: 'key', account, key: secretOption('azure.account-key', keyOption, access) };
  if (sasOption !== undefined) {
    const asked = secretOption('azure.account-sas', sasOption, access);
    return { kind: 'sas', signature: async () => hidden(await asked(), access) };
  }
  if (key) {
    access.hide?.(key);
    return { kind: 'key', account, key: async () => key };
  }
  if (sas) {
    hidden(sas, access);
    return { kind: 'sas', signature: async () => sas };
  }
  return { kind: isTrue(cli) ? 'cli' : 'default' };
}

/** The part of a signature that makes it one may stand alone in an answer. */
function hidden(signature: string, { hide }: StorageAccess): string {
  hide?.(signature);
  for (const part of new URLSearchParams(signature.replace(/^\?/, '')).getAll('sig')) hide?.(part);
  return signature;
}

/** What is neither true nor false counts as false, as restic has it. */
function isTrue(text: string): boolean {
  try {
    return truth(text);
  } catch {
    return false;
  }
}
