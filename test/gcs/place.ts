import { gcsStorage } from '../../src/storage/gcs/gcs.ts';
import { parseGcsLocation } from '../../src/storage/gcs/location.ts';
import { type GcsSettings, gcsDefaults } from '../../src/storage/gcs/settings.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** A storage without any layer around it. `path` is `bucket:/prefix`. */
export function connectTo(endpoint: string, path: string, more: Partial<GcsSettings> = {}): Storage {
  const location = `gs:${path}`;
  return gcsStorage({
    ...gcsDefaults,
    ...parseGcsLocation(location),
    location,
    endpoint,
    credentials: { kind: 'token', token: 'token-of-the-test' },
    project: 'a-project',
    userAgent: 'lifeboat/test',
    ...more,
  });
}
