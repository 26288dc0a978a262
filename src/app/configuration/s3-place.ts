import type { RepositoryConfiguration } from '../../model/configuration.ts';
import type { RepositoryShape } from './schema-repository.ts';

type S3Shape = NonNullable<RepositoryShape['s3']>;

/**
 * A bucket of the configuration as a location and options of the command line.
 * @param reference makes paths in references to secrets absolute.
 */
export function s3Place(
  { bucket, prefix, endpoint, region, ...more }: S3Shape,
  reference: (text: string) => string,
): Pick<RepositoryConfiguration, 'location' | 'options'> {
  const host = endpoint?.replace(/\/$/, '') ?? (region ? `s3.${region}.amazonaws.com` : 's3.amazonaws.com');
  const options: Record<string, string> = {};
  for (const [key, value] of Object.entries({ region, ...more })) {
    if (value !== undefined)
      options[`s3.${key}`] = key === 'sse-c-key' ? reference(String(value)) : String(value);
  }
  return { location: `s3:${[host, bucket, ...(prefix === undefined ? [] : [prefix])].join('/')}`, options };
}
