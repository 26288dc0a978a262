import { getDefaultRoleAssumer } from '@aws-sdk/nested-clients/sts';

/** What of the SDK's client of the token service is used: only loaded where a role is to be taken. */
export const sts = { getDefaultRoleAssumer };
