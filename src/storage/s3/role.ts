import type { S3Client } from '@aws-sdk/client-s3';

/** A role to take with the credentials at hand (AWS STS API, AssumeRole). */
export interface Role {
  readonly arn: string;
  /** Shown in the logs of AWS. */
  readonly sessionName: string;
  readonly externalId: string | null;
  /** Narrows what the role may, as JSON. */
  readonly policy: string | null;
  /** null: the one that the service has for everybody. */
  readonly region: string | null;
  /** null: AWS's own of the region. */
  readonly endpoint: string | null;
}

/** As restic finds it. */
function endpointOf({ endpoint, region }: Role): string {
  if (endpoint !== null) return endpoint;
  if (region === null) return 'https://sts.amazonaws.com';
  return `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** Credentials of the role, for which the SDK asks anew before they end. @param base a client with those at hand. */
export function credentialsOfRole(role: Role, base: S3Client) {
  let assumer: ReturnType<typeof import('./sts.ts').sts.getDefaultRoleAssumer> | null = null;
  return async () => {
    const { sts } = await import('./sts.ts');
    assumer ??= sts.getDefaultRoleAssumer({
      region: role.region ?? 'us-east-1',
      endpoint: endpointOf(role),
      requestHandler: base.config.requestHandler,
      logger: base.config.logger,
      maxAttempts: 1,
    } as Parameters<typeof sts.getDefaultRoleAssumer>[0]);
    return assumer(await base.config.credentials(), {
      RoleArn: role.arn,
      RoleSessionName: role.sessionName,
      ...(role.externalId !== null && { ExternalId: role.externalId }),
      ...(role.policy !== null && { Policy: role.policy }),
    });
  };
}
