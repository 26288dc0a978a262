import { existsSync, readFileSync } from 'node:fs';
import { bytesOfText } from '../../core/bytestring.ts';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import type { PhysicalManifest } from '../../model/postgres-manifest.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { type ConfigPlace, findConfiguration } from '../../sources/postgres/recovery/config-files.ts';
import { type Account, accountNamed } from '../../sources/postgres/recovery/data-directory.ts';
import { type KeptFile, putBack, writeAdapted } from '../../sources/postgres/recovery/kept-configuration.ts';
import { findDumpTarget } from '../dump/dump-path.ts';
import { wholeContent } from '../dump/file-content.ts';
import { writeOwned } from './restore-cluster.ts';
import type { ClusterTrees } from './snapshot-contents.ts';

/** Where the configuration of a recovered cluster comes from; files that are there are never replaced. */

export interface ConfigurationChoice {
  /**
   * `inside`: in the data directory, and restored with it; `there`: on this machine; `put-back`: kept in the backup,
   * where it was; `adapted`: kept in the backup, written into the data directory of a copy; `minimal`: nowhere.
   */
  readonly kind: 'inside' | 'there' | 'put-back' | 'adapted' | 'minimal';
  /** Kept in the backup, and to be brought back. */
  readonly bring: readonly KeptFile[];
  readonly kept: readonly KeptFile[];
  readonly notes: readonly string[];
}

/** Reads what the backup has kept from outside of the data directory. @throws LifeboatError `repository-damaged`. */
export async function readKeptFiles(
  reader: BlobReader,
  tree: Id,
  manifest: PhysicalManifest,
  trees: ClusterTrees,
  account: Account | null,
): Promise<KeptFile[]> {
  const kept: KeptFile[] = [];
  for (const { path, role } of manifest.configuration ?? []) {
    const found = await findDumpTarget(reader, tree, bytesOfText(`/${manifest.source}/config${path}`));
    if (found.kind !== 'file') continue;
    const { node } = found;
    const content = Buffer.concat(await wholeContent(reader, node));
    // Accounts may have other numbers here.
    const named = accountNamed(node.user, node.group);
    const owner = process.geteuid?.() !== 0 ? null : node.uid === trees.owner.uid ? account : named;
    kept.push({ path, role, content, permissions: node.mode & 0o777, owner });
  }
  return kept;
}

function differing(kept: readonly KeptFile[]): string[] {
  return kept
    .filter(({ path, content }) => existsSync(path) && !readFileSync(path).equals(content))
    .map(({ path }) => path);
}

/** @param hasOwn whether the backup has a postgresql.conf in the data directory. */
export function chooseConfiguration(
  dataDirectory: string,
  original: string,
  kept: readonly KeptFile[],
  hasOwn: boolean,
): ConfigurationChoice {
  const main = kept.find(({ role }) => role === 'main');
  const inPlace = dataDirectory === original;
  const gone = kept.filter(({ path }) => !existsSync(path));
  const place = findConfiguration(dataDirectory, original, main?.path ?? null, hasOwn);
  if (main && place.configFile === null) {
    if (inPlace) return { kind: 'put-back', bring: gone, kept, notes: [] };
    return { kind: 'adapted', bring: kept, kept, notes: [] };
  }
  if (place.missing) {
    const note =
      'neither the backup nor this machine has the configuration of this cluster, so a minimal one will be written';
    return { kind: 'minimal', bring: [], kept, notes: [note] };
  }
  if (place.configFile === null) return { kind: 'inside', bring: [], kept, notes: [] };
  const changed = inPlace ? differing(kept) : [];
  const notes =
    changed.length === 0
      ? []
      : [
          `the configuration here stays as it is, although the backup has another one of ${changed.join(', ')}`,
        ];
  // Without these two a server does not start.
  const bring = inPlace ? gone.filter(({ role }) => role === 'hba' || role === 'ident') : [];
  return { kind: 'there', bring, kept, notes };
}

/** Brings back what the choice says. @returns what could not be done as planned, as notes. */
export function bringConfiguration(
  { kind, bring, kept }: ConfigurationChoice,
  dataDirectory: string,
  source: string,
  account: Account | null,
): string[] {
  const adapt = (): string[] =>
    writeAdapted(dataDirectory, kept, (path, content) => writeOwned(path, content, account));
  if (kind === 'adapted') {
    adapt();
    return [];
  }
  const notes: string[] = [];
  let adapted = false;
  for (const file of bring) {
    try {
      putBack(file);
    } catch (error) {
      notes.push(
        `${file.path} could not be put back (${messageOf(error)}); the snapshot has it as /${source}/config${file.path}`,
      );
      adapted ||= file.role === 'main';
    }
  }
  if (adapted) notes.push(`so the configuration was written into the data directory: ${adapt().join(', ')}`);
  return notes;
}

/** Where the server of a recovered cluster finds its configuration, once it was brought. */
export function configurationOf(dataDirectory: string, manifest: PhysicalManifest): ConfigPlace {
  const main = manifest.configuration?.find(({ role }) => role === 'main');
  return findConfiguration(dataDirectory, manifest.dataDirectory, main?.path ?? null);
}
