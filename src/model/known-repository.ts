/**
 * What this machine remembers of a repository: for when it is out of reach, and for what the repository itself does
 * not tell, such as when it was last checked. May be deleted at any time.
 */
export interface KnownRepository {
  readonly version: 1;
  /** For people who read the file; it holds no secret. */
  readonly location: string;
  /** ID in the repository's config. */
  readonly repository: string | null;
  /** RFC 3339; null: it was never looked at. */
  readonly seenAt: string | null;
  /** By name in the configuration. */
  readonly sources: Readonly<Record<string, KnownSource>>;
  readonly verified: KnownVerification | null;
}

export interface KnownSource {
  readonly snapshots: number;
  /** RFC 3339, of the newest snapshot. */
  readonly newest: string | null;
  /** RFC 3339: until when its journal reaches; null where it has none. */
  readonly journalUntil: string | null;
}

export interface KnownVerification {
  /** RFC 3339. */
  readonly at: string;
  /** `structure`: all but the content of packs; `part`: some of the content; `all`: every byte. */
  readonly extent: 'structure' | 'part' | 'all';
  readonly errors: number;
  readonly snapshots: number;
}

export function unknownRepository(location: string): KnownRepository {
  return { version: 1, location, repository: null, seenAt: null, sources: {}, verified: null };
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads what was written; null for anything else, such as what a later version wrote. */
export function parseKnownRepository(json: string): KnownRepository | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null; // a file that is no JSON tells nothing
  }
  if (!isObject(value) || value.version !== 1 || !isText(value.location)) return null;
  const { location, repository, seenAt, sources, verified } = value;
  if (!isTextOrNull(repository) || !isTextOrNull(seenAt) || !isObject(sources)) return null;
  const known: Record<string, KnownSource> = {};
  for (const [name, source] of Object.entries(sources)) {
    if (!isObject(source)) return null;
    const { snapshots, newest, journalUntil } = source;
    if (!isCount(snapshots) || !isTextOrNull(newest) || !isTextOrNull(journalUntil)) return null;
    known[name] = { snapshots, newest, journalUntil };
  }
  return { version: 1, location, repository, seenAt, sources: known, verified: verificationOf(verified) };
}

function verificationOf(value: unknown): KnownVerification | null {
  if (!isObject(value)) return null;
  const { at, extent, errors, snapshots } = value;
  const isExtent = extent === 'structure' || extent === 'part' || extent === 'all';
  return isText(at) && isExtent && isCount(errors) && isCount(snapshots)
    ? { at, extent, errors, snapshots }
    : null;
}
