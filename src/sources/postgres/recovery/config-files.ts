import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the configuration of a data directory lies: most systems keep it inside, Debian in /etc. */
export interface ConfigPlace {
  /** null: in the data directory, where the server finds it by itself. */
  readonly configFile: string | null;
  /** Of a cluster that Debian's tools know: version and name for pg_ctlcluster. */
  readonly debianCluster: { readonly version: string; readonly name: string } | null;
  /** There was none anywhere; the server needs a minimal one. */
  readonly missing: boolean;
}

const debianRoot = '/etc/postgresql';

/** The value of a setting in a configuration file; the last one counts. */
export function settingIn(text: string, name: string): string | null {
  const pattern = new RegExp(`^\\s*${name}\\s*(?:=|\\s)\\s*(?:'((?:[^']|'')*)'|([^\\s#]+))`, 'gim');
  const match = [...text.matchAll(pattern)].at(-1);
  return match ? (match[1]?.replaceAll("''", "'") ?? match[2] ?? null) : null;
}

function debianClusters(root: string): { version: string; name: string; file: string }[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((version) => /^\d/.test(version))
    .flatMap((version) =>
      readdirSync(join(root, version)).map((name) => ({
        version,
        name,
        file: join(root, version, name, 'postgresql.conf'),
      })),
    )
    .filter(({ file }) => existsSync(file));
}

/**
 * @param original the data directory when the backup was taken: its configuration serves a copy elsewhere as well.
 * @param outside its postgresql.conf where that did not lie in it; null where it did, or nobody knows.
 * @param hasOwn whether the data directory has, or will have, a postgresql.conf.
 */
export function findConfiguration(
  dataDirectory: string,
  original: string,
  outside: string | null = null,
  hasOwn = existsSync(join(dataDirectory, 'postgresql.conf')),
  root = debianRoot,
): ConfigPlace {
  const clusters = debianClusters(root).map((cluster) => ({
    ...cluster,
    data: settingIn(readFileSync(cluster.file, 'utf8'), 'data_directory'),
  }));
  const own = clusters.find(({ data }) => data === dataDirectory);
  if (own) {
    return { configFile: own.file, debianCluster: { version: own.version, name: own.name }, missing: false };
  }
  const copied = clusters.find(({ data }) => data === original);
  const foreign = outside !== null && existsSync(outside) ? outside : null;
  const configFile = foreign ?? (hasOwn ? null : (copied?.file ?? null));
  return { configFile, debianCluster: null, missing: configFile === null && !hasOwn };
}

/** What a server needs to start where no configuration came with the backup. */
export function writeMinimalConfiguration(dataDirectory: string): string[] {
  const files: readonly [string, string][] = [
    [
      'postgresql.conf',
      '# Minimal: neither the backup nor this machine had a configuration for this cluster.\n',
    ],
    ['pg_hba.conf', 'local all all peer\n'],
    ['pg_ident.conf', ''],
  ];
  return files.flatMap(([name, text]) => {
    const path = join(dataDirectory, name);
    if (existsSync(path)) return [];
    writeFileSync(path, text, { mode: 0o600 });
    return [path];
  });
}
