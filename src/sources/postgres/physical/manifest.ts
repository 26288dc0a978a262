import { bytesOfText } from '../../../core/bytestring.ts';
import { type PhysicalManifest, postgresTags } from '../../../model/postgres-manifest.ts';
import type { DamagedPage, SourceEntry } from '../../../model/source-entry.ts';
import { formatLsn, type Lsn } from '../../../model/wal.ts';
import type { BackupLabel } from './backup-label.ts';
import type { CopyFacts, PhysicalBackupOptions } from './options.ts';

const damagedPagesListed = 1000;

export interface CopyEnd {
  readonly label: BackupLabel;
  readonly stop: Lsn;
  readonly stopTime: string;
  readonly tablespaces: PhysicalManifest['tablespaces'];
  readonly damagedPages: readonly DamagedPage[];
  readonly bytes: number;
  readonly files: number;
}

export function manifestOf(options: PhysicalBackupOptions, copy: CopyFacts, end: CopyEnd): PhysicalManifest {
  const { server } = copy;
  return {
    version: 1,
    kind: 'postgres-physical',
    source: options.source,
    type: options.type,
    comparedWith: copy.way === 'local' ? (options.comparedWith?.snapshot ?? null) : null,
    way: copy.way,
    fromStandby: end.label.fromStandby,
    systemIdentifier: server.systemIdentifier,
    serverVersion: server.versionNumber,
    dataDirectory: copy.dataDirectory,
    segmentBytes: server.segmentBytes,
    blockBytes: server.blockBytes,
    chunkBytes: copy.chunkBytes,
    dataChecksums: server.dataChecksums,
    timeline: end.label.timeline,
    start: formatLsn(end.label.start),
    stop: formatLsn(end.stop),
    startTime: copy.startTime,
    stopTime: end.stopTime,
    tablespaces: end.tablespaces,
    databases: copy.databases,
    damagedPages: end.damagedPages.slice(0, damagedPagesListed).map(({ path, block }) => ({ path, block })),
    damagedPageCount: end.damagedPages.length,
    bytes: end.bytes,
    files: end.files,
    configuration: copy.configuration,
  };
}

/** For listings, so that trees need not be read. */
export function tagsOf(manifest: PhysicalManifest): string[] {
  const facts: [string, string | number][] = [
    [postgresTags.source, manifest.source],
    [postgresTags.kind, manifest.kind],
    [postgresTags.type, manifest.type],
    [postgresTags.systemIdentifier, manifest.systemIdentifier],
    [postgresTags.timeline, manifest.timeline],
    [postgresTags.start, manifest.start],
    [postgresTags.stop, manifest.stop],
    [postgresTags.stopTime, manifest.stopTime],
  ];
  return facts.map(([key, value]) => `${key}=${value}`);
}

/** A file of a few bytes that this program writes into the snapshot. */
export function smallFile(
  path: string,
  bytes: Uint8Array,
  owner: { readonly uid: number; readonly gid: number; readonly user?: string; readonly group?: string },
): SourceEntry {
  return {
    path: bytesOfText(path),
    type: 'file',
    permissions: 0o600,
    uid: owner.uid,
    gid: owner.gid,
    ...(owner.user ? { user: owner.user } : {}),
    ...(owner.group ? { group: owner.group } : {}),
    mtimeNs: BigInt(Date.now()) * 1_000_000n,
    content: { kind: 'bytes', bytes },
  };
}

export function manifestEntry(manifest: PhysicalManifest, owner: { uid: number; gid: number }): SourceEntry {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  return smallFile(`${manifest.source}/.lifeboat/manifest.json`, Buffer.from(text, 'utf8'), owner);
}

/**
 * The folders of a snapshot above the data: they belong to the account of the data, as all below them does.
 * @param mode of the data directory.
 */
export function* topFolders(
  source: string,
  tablespaces: readonly { readonly oid: number }[],
  owner: { readonly uid: number; readonly gid: number },
  mode: number,
): Generator<SourceEntry> {
  const above = tablespaces.length > 0 ? ['', '/data', '/tablespaces'] : ['', '/data'];
  const paths = [...above, '/.lifeboat', ...tablespaces.map(({ oid }) => `/tablespaces/${oid}`)];
  const mtimeNs = BigInt(Date.now()) * 1_000_000n;
  for (const path of paths) {
    const permissions = path === '/data' ? mode : 0o700;
    yield { path: bytesOfText(`${source}${path}`), type: 'dir', permissions, ...owner, mtimeNs };
  }
}
