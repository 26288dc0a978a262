/** Schemes of restic's locations that this version cannot reach; said plainly instead of taken for a path. */
const schemesToCome = ['s3', 'sftp', 'rest', 'azure', 'gs', 'b2', 'swift', 'rclone'];

/** `s3` of `s3:host/bucket`; null for a path. */
export function schemeOf(location: string): string | null {
  return /^([a-z0-9]+):/.exec(location)?.[1] ?? null;
}

/** Why a location cannot be reached by this version, or null where it can. */
export function schemeRefusal(location: string): string | null {
  const scheme = schemeOf(location);
  return scheme && schemesToCome.includes(scheme)
    ? `repositories at ${scheme}: locations are not supported by this version`
    : null;
}
