import { LifeboatError } from '../../core/errors.ts';
import { cleanPrefix } from '../prefix.ts';

/** Where a container is, as told by a location of restic's syntax (restic internal/backend/azure/config.go). */
export interface AzurePlace {
  readonly container: string;
  /** Without slashes at its ends; empty for the root of the container. */
  readonly prefix: string;
}

function refuse(location: string, why: string): never {
  throw new LifeboatError('usage', `${location} is not a location on Azure: ${why}`, {
    hint: 'write azure:CONTAINER:/PREFIX; the account stands in AZURE_ACCOUNT_NAME',
  });
}

/** Reads `azure:container:/prefix`. @throws LifeboatError `usage`. */
export function parseAzureLocation(location: string): AzurePlace {
  const rest = location.replace(/^azure:/, '');
  const colon = rest.indexOf(':');
  if (colon < 0) refuse(location, 'it has no second colon between container and prefix');
  const container = rest.slice(0, colon);
  if (container === '') refuse(location, 'it names no container');
  if (!/^(?:\$root|\$web|[a-z0-9](?:-?[a-z0-9])+)$/.test(container))
    refuse(location, 'names of containers are lower-case letters, digits and single hyphens');
  const prefix = cleanPrefix(rest.slice(colon + 1));
  if (prefix === null) refuse(location, 'its prefix points out of the container');
  return { container, prefix };
}
